package sessionlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// ParseLeaf returns the event whose leaf is b. It takes the one form that
// AppendLeaf writes and no other, so that a leaf and its event stand for each
// other. The Chunk of a StepOutput has its place but no data and no salt. The
// event shares no memory with b.
func ParseLeaf(b []byte) (Event, error) {
	if len(b) > MaxLeaf {
		return Event{}, fmt.Errorf("leaf of %d bytes is over the limit of %d", len(b), MaxLeaf)
	}
	p := leafParser{rest: b}
	ev := p.event()
	if p.err != nil {
		return Event{}, fmt.Errorf("parse leaf: %w", p.err)
	}
	if ev.Kind != StepOutput {
		if err := checkBody(ev.Body); err != nil {
			return Event{}, fmt.Errorf("parse leaf %d: %w", ev.Seq, err)
		}
		return ev, nil
	}
	o, ok := parseOutput(ev.Body)
	if !ok {
		return Event{}, fmt.Errorf("parse leaf %d: body is not that of %s", ev.Seq, StepOutput)
	}
	ev.Chunk = &Chunk{Stream: o.stream, Offset: o.offset}
	return ev, nil
}

// OutputLength returns how many bytes of output a StepOutput event read from a
// leaf stands for, whether or not it has its data.
func OutputLength(ev Event) (int64, error) {
	o, ok := parseOutput(ev.Body)
	if !ok {
		return 0, fmt.Errorf("event %d is not output", ev.Seq)
	}
	return o.length, nil
}

// checkBody reports why body is not compact JSON in UTF-8.
func checkBody(body []byte) error {
	if body == nil {
		return nil
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, body); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if !bytes.Equal(buf.Bytes(), body) || !utf8.Valid(body) {
		return fmt.Errorf("body is not compact JSON in UTF-8")
	}
	return nil
}

// output is the body of a StepOutput leaf.
type output struct {
	stream         Stream
	offset, length int64
	lines          int64
	commit         string // hex
}

func parseOutput(body []byte) (o output, ok bool) {
	p := leafParser{rest: body}
	p.lit(`{"stream":`)
	o.stream, _ = ParseStream(p.str())
	p.lit(`,"offset":`)
	o.offset = int64(p.uint(63))
	p.lit(`,"length":`)
	o.length = int64(p.uint(63))
	p.lit(`,"lines":`)
	o.lines = int64(p.uint(63))
	p.lit(`,"commit":`)
	o.commit = p.str()
	p.lit(`}`)
	return o, p.err == nil && len(p.rest) == 0 && o.stream != 0 && o.length <= MaxChunk && isHex(o.commit)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == commitSize
}

// A leafParser reads a leaf from left to right. After the first error it reads
// nothing more.
type leafParser struct {
	rest []byte
	err  error
}

func (p *leafParser) event() (ev Event) {
	p.lit(`{"seq":`)
	ev.Seq = Seq(p.uint(64))
	p.lit(`,"time":`)
	ev.Time = p.time()
	if p.maybe(`,"agent_time":`) {
		ev.AgentTime = p.time()
		if p.err == nil && ev.AgentTime.IsZero() {
			p.fail("agent_time is the zero time")
		}
	}
	p.lit(`,"kind":`)
	ev.Kind = Kind(p.str())
	p.lit(`,"actor":`)
	ev.Actor = Actor(p.str())
	if p.maybe(`,"step":`) {
		ev.Step = StepID(p.str())
		if p.err == nil && ev.Step == "" {
			p.fail("step is empty")
		}
	}
	if p.maybe(`,"body":`) {
		if len(p.rest) < 2 {
			p.fail("body is empty")
			return ev
		}
		ev.Body = bytes.Clone(p.rest[:len(p.rest)-1])
		p.rest = p.rest[len(p.rest)-1:]
	}
	p.lit(`}`)
	if p.err == nil && (len(p.rest) > 0 || ev.Seq == 0 || ev.Kind == "") {
		p.fail("no seq, no kind, or more than one value")
	}
	return ev
}

func (p *leafParser) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s", what)
	}
}

// maybe reads s if it comes next.
func (p *leafParser) maybe(s string) bool {
	if p.err != nil || len(p.rest) < len(s) || string(p.rest[:len(s)]) != s {
		return false
	}
	p.rest = p.rest[len(s):]
	return true
}

// lit reads s, which must come next.
func (p *leafParser) lit(s string) {
	if !p.maybe(s) {
		p.fail(fmt.Sprintf("want %s at %.20q", s, p.rest))
	}
}

// uint reads a number without sign and without leading zeros.
func (p *leafParser) uint(bits int) uint64 {
	n := 0
	for n < len(p.rest) && '0' <= p.rest[n] && p.rest[n] <= '9' {
		n++
	}
	v, err := strconv.ParseUint(string(p.rest[:n]), 10, bits)
	if err != nil || n > 1 && p.rest[0] == '0' {
		p.fail(fmt.Sprintf("no number at %.20q", p.rest))
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

// str reads a string in the form that appendString writes.
func (p *leafParser) str() string {
	if !p.maybe(`"`) {
		p.fail(fmt.Sprintf("no string at %.20q", p.rest))
		return ""
	}
	plain := true
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			raw := p.rest[:i]
			p.rest = p.rest[i+1:]
			if plain {
				return string(raw)
			}
			return p.unescape(raw)
		case c == '\\':
			i++
			plain = false
		case c < ' ' || c > '~':
			plain = false
		}
	}
	p.fail("string has no end")
	return ""
}

func (p *leafParser) unescape(raw []byte) string {
	quoted := append(append([]byte{'"'}, raw...), '"')
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil || !bytes.Equal(appendString(nil, s), quoted) {
		p.fail(fmt.Sprintf("string %.20q is not in its only form", raw))
	}
	return s
}

// time reads a time in the form that appendTime writes.
func (p *leafParser) time() time.Time {
	s := p.str()
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.UTC().Format(time.RFC3339Nano) != s {
		p.fail(fmt.Sprintf("time %.40q is not in its only form", s))
		return time.Time{}
	}
	return t.UTC()
}
