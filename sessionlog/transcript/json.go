package transcript

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/caisey/caisey/sessionlog"
)

// JSON writes ev as one line of JSON. An Encoder knows the session besides.
func JSON(w io.Writer, ev sessionlog.Event) error {
	return NewEncoder(w, sessionlog.Opened{}).Encode(ev)
}

// An Encoder writes the events of one session, one JSON object a line. The
// fields and their meaning are a stable contract: see docs/record.md.
type Encoder struct {
	w      io.Writer
	opened sessionlog.Opened
	by     map[sessionlog.StepID]string // who asked for the steps that have not ended
	tally  sessionlog.Tally
}

// NewEncoder returns an Encoder that writes to w. opened names the session if
// the first event to be written is not the session's first.
func NewEncoder(w io.Writer, opened sessionlog.Opened) *Encoder {
	return &Encoder{w: w, opened: opened, by: map[sessionlog.StepID]string{}}
}

// common is what all events have.
type common struct {
	Seq       sessionlog.Seq        `json:"seq"`
	Time      time.Time             `json:"time"`
	AgentTime time.Time             `json:"agent_time,omitzero"`
	Kind      sessionlog.Kind       `json:"kind"`
	Actor     sessionlog.Actor      `json:"actor"`
	By        string                `json:"by"`
	Session   sessionlog.SessionID  `json:"session,omitempty"`
	Endpoint  sessionlog.EndpointID `json:"endpoint,omitempty"`
	Step      sessionlog.StepID     `json:"step,omitempty"`
}

// output is what StepOutput has besides. Exactly one of Text, Base64 and Lines is there.
type output struct {
	Stream string  `json:"stream"`
	Offset int64   `json:"offset"`
	Text   *string `json:"text,omitempty"`
	Base64 *string `json:"base64,omitempty"`
	// Lines is there instead where the stream is that of a check's rows: each is a Line
	// of package check.
	Lines []json.RawMessage `json:"lines,omitempty"`
}

// unknown is what a kind that this program does not know has besides.
type unknown struct {
	Body json.RawMessage `json:"body,omitempty"`
}

// openedBody is Opened without what common has already.
type openedBody struct {
	Client     string `json:"client"`
	Name       string `json:"name"`
	Technician string `json:"technician"`
	Key        string `json:"key,omitempty"`
	AgentKey   string `json:"agent_key,omitempty"`
}

// reusedBody is Reused: what it calls by is who asked, here.
type reusedBody struct {
	Digest    string            `json:"digest"`
	Of        sessionlog.StepID `json:"of"`
	Approvers []string          `json:"approvers"`
}

// closedBody is Closed with what the session did, if all of it was seen.
type closedBody struct {
	sessionlog.Closed
	Did *receipt `json:"did,omitempty"`
}

// receipt is a sessionlog.Receipt.
type receipt struct {
	Read   int `json:"read"`
	Probe  int `json:"probe"`
	Shell  int `json:"shell"`
	Change int `json:"change"`
	Unsure int `json:"unsure,omitempty"`
}

// Encode writes ev.
func (e *Encoder) Encode(ev sessionlog.Event) error {
	e.tally.Add(ev)
	body, err := e.body(ev)
	if err != nil {
		return err
	}
	c := common{
		Seq: ev.Seq, Time: ev.Time.UTC(), AgentTime: ev.AgentTime, Kind: ev.Kind, Actor: ev.Actor, By: e.who(ev),
		Session: e.opened.Session, Endpoint: e.opened.Endpoint, Step: ev.Step,
	}
	head, err := marshal(c)
	if err != nil {
		return fmt.Errorf("encode event %d: %w", ev.Seq, err)
	}
	line := escape(join(head, body))
	_, err = e.w.Write(append(line, '\n'))
	return err
}

// who returns who asked for the step, or else did what ev says.
func (e *Encoder) who(ev sessionlog.Event) string {
	by, ok := e.by[ev.Step]
	switch {
	case ev.Kind == sessionlog.StepRequested && !ok:
		by = ev.Actor.Name()
		e.by[ev.Step] = by
	case ev.Kind == sessionlog.StepEnded:
		delete(e.by, ev.Step)
	}
	if by == "" {
		return ev.Actor.Name()
	}
	return by
}

// body returns the fields of ev's kind as a JSON object, or nothing.
func (e *Encoder) body(ev sessionlog.Event) ([]byte, error) {
	v, err := e.typed(ev)
	if err != nil || v == nil {
		return nil, err
	}
	b, err := marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode event %d: %w", ev.Seq, err)
	}
	return b, nil
}

func (e *Encoder) typed(ev sessionlog.Event) (any, error) {
	switch ev.Kind {
	case sessionlog.SessionOpened:
		if err := ev.Decode(&e.opened); err != nil {
			return nil, err
		}
		return openedBody{e.opened.Client, e.opened.Name, e.opened.Technician, e.opened.Key, e.opened.AgentKey}, nil
	case sessionlog.SessionClosed:
		return e.closed(ev)
	case sessionlog.StepRequested:
		return decode[sessionlog.Requested](ev)
	case sessionlog.StepStarted:
		return decode[sessionlog.Started](ev)
	case sessionlog.StepGap:
		return decode[sessionlog.Gap](ev)
	case sessionlog.StepEnded:
		return decode[sessionlog.Ended](ev)
	case sessionlog.NoteAdded:
		return decode[sessionlog.Note](ev)
	case sessionlog.ApprovalRequested:
		return holdOf(ev)
	case sessionlog.ApprovalReused:
		var b sessionlog.Reused
		err := ev.Decode(&b)
		return reusedBody{b.Digest, b.Of, append([]string{}, b.By...)}, err
	case sessionlog.ApprovalWaived:
		return decode[sessionlog.Waived](ev)
	case sessionlog.IncidentJoined:
		return decode[sessionlog.Joined](ev)
	case sessionlog.ApprovalGranted, sessionlog.ApprovalDenied, sessionlog.ApprovalOverridden:
		return decode[sessionlog.Answer](ev)
	case sessionlog.StepOutput:
		return outputOf(ev), nil
	}
	if len(ev.Body) == 0 {
		return nil, nil
	}
	return unknown{ev.Body}, nil
}

func (e *Encoder) closed(ev sessionlog.Event) (any, error) {
	var b closedBody
	if len(ev.Body) > 0 {
		if err := ev.Decode(&b.Closed); err != nil {
			return nil, err
		}
	}
	if r, whole := e.tally.Receipt(); whole {
		b.Did = &receipt{r.Read, r.Probe, r.Shell, r.Change, r.Unsure}
	}
	return b, nil
}

func decode[T any](ev sessionlog.Event) (any, error) {
	var v T
	if len(ev.Body) == 0 {
		return v, nil
	}
	err := ev.Decode(&v)
	return v, err
}

func holdOf(ev sessionlog.Event) (any, error) {
	var b sessionlog.Hold
	if err := ev.Decode(&b); err != nil {
		return nil, err
	}
	b.Expires = b.Expires.UTC()
	if b.Rules == nil {
		b.Rules = []string{}
	}
	return b, nil
}

func outputOf(ev sessionlog.Event) any {
	c := ev.Chunk
	if c == nil {
		return nil
	}
	o := output{Stream: c.Stream.String(), Offset: c.Offset}
	if c.Stream == sessionlog.RowStream {
		if o.Lines = rowLines(c.Data); o.Lines != nil {
			return o
		}
	}
	if utf8.Valid(c.Data) {
		s := string(c.Data)
		o.Text = &s
	} else {
		s := base64.StdEncoding.EncodeToString(c.Data)
		o.Base64 = &s
	}
	return o
}

// rowLines returns the lines of a check's rows, or nil if they are not all JSON.
func rowLines(data []byte) []json.RawMessage {
	var lines []json.RawMessage
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if !json.Valid(line) || !utf8.Valid(line) {
			return nil
		}
		lines = append(lines, json.RawMessage(line))
	}
	return lines
}

func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// join makes one JSON object of two.
func join(a, b []byte) []byte {
	if len(b) <= len("{}") {
		return a
	}
	return append(append(a[:len(a)-1], ','), b[1:]...)
}

// escape replaces every character that could act on a terminal, or that nobody
// would see, by its \u escape. In JSON all of these stand within strings.
func escape(line []byte) []byte {
	if isASCII(line) {
		return line
	}
	out := make([]byte, 0, len(line)+16)
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		switch {
		case r == utf8.RuneError && n == 1: // cannot be: encoding/json writes UTF-8
			out = append(out, `\ufffd`...)
		case r > 0xffff && !unicode.IsPrint(r):
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		case !unicode.IsPrint(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, line[:n]...)
		}
		line = line[n:]
	}
	return out
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
