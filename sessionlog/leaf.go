package sessionlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// SaltSize is the length of a chunk's salt in bytes.
const SaltSize = 16

// MaxLeaf is the largest leaf in bytes.
const MaxLeaf = 1 << 20

// MaxChunk is the most data bytes of one chunk.
const MaxChunk = 1 << 20

// commitSize is the length of a commitment in hex.
const commitSize = 2 * sha256.Size

// Leaf returns the bytes that stand for ev in a record: one line of JSON, fields
// in fixed order. The very bytes are what is hashed and signed, so their form
// never changes within a record; docs/record.md is normative. A chunk must have
// its salt.
func Leaf(ev Event) ([]byte, error) {
	return AppendLeaf(make([]byte, 0, 256+len(ev.Body)), ev)
}

// AppendLeaf appends the leaf of ev to dst. On an error it returns dst as it was.
func AppendLeaf(dst []byte, ev Event) ([]byte, error) {
	if err := checkShape(ev); err != nil {
		return dst, fmt.Errorf("encode %.40q: %w", ev.Kind, err)
	}
	b := append(dst, `{"seq":`...)
	b = strconv.AppendUint(b, uint64(ev.Seq), 10)
	b, err := appendTime(b, `,"time":"`, ev.Time)
	if err == nil && !ev.AgentTime.IsZero() {
		b, err = appendTime(b, `,"agent_time":"`, ev.AgentTime)
	}
	if err != nil {
		return dst, fmt.Errorf("encode %s: %w", ev.Kind, err)
	}
	b = appendString(append(b, `,"kind":`...), string(ev.Kind))
	b = appendString(append(b, `,"actor":`...), string(ev.Actor))
	if ev.Step != "" {
		b = appendString(append(b, `,"step":`...), string(ev.Step))
	}
	if b, err = appendBody(b, ev); err != nil {
		return dst, fmt.Errorf("encode %s: %w", ev.Kind, err)
	}
	b = append(b, '}')
	if n := len(b) - len(dst); n > MaxLeaf {
		return dst, fmt.Errorf("encode %s: %d bytes are over the limit of %d", ev.Kind, n, MaxLeaf)
	}
	return b, nil
}

// checkShape reports why no leaf can stand for ev.
func checkShape(ev Event) error {
	switch c := ev.Chunk; {
	case ev.Seq == 0:
		return errors.New("event has no seq")
	case ev.Kind == "":
		return errors.New("event has no kind")
	case (c != nil) != (ev.Kind == StepOutput):
		return fmt.Errorf("a chunk is on %s and on nothing else", StepOutput)
	case c == nil:
		return nil
	case !c.Stream.Valid():
		return fmt.Errorf("chunk is of unknown %s", c.Stream)
	case c.Offset < 0:
		return fmt.Errorf("offset of chunk is %d", c.Offset)
	case len(c.Data) > MaxChunk:
		return fmt.Errorf("chunk has %d bytes, over the limit of %d", len(c.Data), MaxChunk)
	case len(c.Salt) != SaltSize:
		return fmt.Errorf("salt of chunk has %d bytes, not %d", len(c.Salt), SaltSize)
	}
	return nil
}

// appendTime appends name and t, in UTC, as RFC 3339 with as many digits of the
// second's fraction as it takes, and the closing quote.
func appendTime(b []byte, name string, t time.Time) ([]byte, error) {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return b, fmt.Errorf("year %d is not in 0..9999", y)
	}
	b = append(b, name...)
	return append(t.AppendFormat(b, time.RFC3339Nano), '"'), nil
}

// appendString appends s as encoding/json does without HTML escaping.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	enc, err := marshal(s)
	if err != nil {
		panic(fmt.Sprintf("sessionlog: encode string: %v", err)) // strings always encode
	}
	return append(b, enc...)
}

// marshal is json.Marshal without HTML escaping, so that a person who reads a
// record sees "a > b" as it was typed.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func appendBody(b []byte, ev Event) ([]byte, error) {
	if c := ev.Chunk; c != nil {
		return appendOutput(append(b, `,"body":`...), c), nil
	}
	if len(ev.Body) == 0 {
		return b, nil
	}
	if !utf8.Valid(ev.Body) {
		return b, errors.New("body is not UTF-8")
	}
	buf := bytes.NewBuffer(append(b, `,"body":`...))
	if err := json.Compact(buf, ev.Body); err != nil {
		return b, fmt.Errorf("body: %w", err)
	}
	return buf.Bytes(), nil
}

// appendOutput appends the body of a StepOutput leaf: where the data stands, and
// a commitment to its lines, so that a leaf without its data still proves what it was.
func appendOutput(b []byte, c *Chunk) []byte {
	b = appendString(append(b, `{"stream":`...), c.Stream.String())
	b = strconv.AppendInt(append(b, `,"offset":`...), c.Offset, 10)
	b = strconv.AppendInt(append(b, `,"length":`...), int64(len(c.Data)), 10)
	sum, lines := Commitment(c)
	b = strconv.AppendInt(append(b, `,"lines":`...), lines, 10)
	b = hex.AppendEncode(append(b, `,"commit":"`...), sum[:])
	return append(b, `"}`...)
}

// VerifyChunk reports whether the data and salt of ev's chunk are those that its
// leaf committed to.
func VerifyChunk(ev Event) error {
	if ev.Chunk == nil {
		return nil
	}
	o, ok := parseOutput(ev.Body)
	if !ok {
		return fmt.Errorf("event %d has no commitment to its output", ev.Seq)
	}
	sum, lines := Commitment(ev.Chunk)
	if o.stream != ev.Chunk.Stream || o.offset != ev.Chunk.Offset || o.length != int64(len(ev.Chunk.Data)) ||
		o.lines != lines || o.commit != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("output at event %d is not what was recorded", ev.Seq)
	}
	return nil
}
