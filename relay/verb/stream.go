package verb

import (
	"bytes"
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/sessionlog/transcript"
	"github.com/caisey/caisey/tui/vt"
)

// maxHeld is the longest line that is kept whole behind its prefix.
const maxHeld = 64 << 10

// A stepPrinter prints one step's events. It is used by one goroutine.
type stepPrinter struct {
	r       *running
	streams map[sessionlog.Stream]*stream
	prefix  string
	ep      string              // "client/name"
	check   bool                // the step asks a check
	rows    check.Printer       // of a check
	json    *transcript.Encoder // nil: text
	held    *folded             // nil: printed as it comes
}

func (r *running) printer(res result, prefixed bool) *stepPrinter {
	p := &stepPrinter{r: r, streams: map[sessionlog.Stream]*stream{}, held: res.held, ep: res.ep.Path()}
	if r.json {
		p.json = r.encoder(res)
	}
	if prefixed && p.held == nil {
		p.prefix = vt.Plain(res.name()) + ": "
	}
	return p
}

// event prints ev, an event of the step.
func (p *stepPrinter) event(ev sessionlog.Event) {
	p.asked(ev)
	switch {
	case p.json != nil:
		_ = p.json.Encode(ev) // what it does not understand it leaves out; the result stands
		if c := ev.Chunk; c != nil && c.Stream == sessionlog.RowStream {
			_ = p.rows.Append(nil, c.Data)
		}
	case ev.Chunk != nil && p.check:
		p.answer(ev.Chunk)
	case ev.Chunk != nil:
		p.stream(ev.Chunk.Stream).write(ev.Chunk.Data)
	case ev.Kind == sessionlog.StepGap:
		p.gap(ev)
	}
}

// gap says on stderr that output was left out. What a stream held back before it
// is printed: it does not belong to what comes.
func (p *stepPrinter) gap(ev sessionlog.Event) {
	var gap sessionlog.Gap
	if ev.Decode(&gap) != nil {
		return
	}
	text := fmt.Sprintf("%d bytes of %s not recorded", gap.Bytes, gap.Stream)
	if gap.Why != "" {
		text += ": " + gap.Why
	}
	if s, err := sessionlog.ParseStream(gap.Stream); err == nil && p.streams[s] != nil {
		p.flushStream(p.streams[s])
	}
	if p.held != nil {
		p.held.err.write([]byte("caisey: " + vt.Plain(text) + "\n"))
		return
	}
	p.r.out.sayf("%s%s", p.prefix, text)
}

// flush prints what the streams hold back.
func (p *stepPrinter) flush() {
	for _, id := range []sessionlog.Stream{sessionlog.Stdout, sessionlog.Stderr} {
		if s := p.streams[id]; s != nil {
			p.flushStream(s)
		}
	}
}

func (p *stepPrinter) flushStream(s *stream) {
	if p.held != nil {
		s.print(s.clean.Flush(nil)) // styles end where it is printed
		return
	}
	s.flush()
}

func (p *stepPrinter) stream(id sessionlog.Stream) *stream {
	if id != sessionlog.Stderr {
		id = sessionlog.Stdout
	}
	s := p.streams[id]
	if s == nil {
		s = &stream{prefix: p.prefix, plain: p.r.call.NoColor, out: p.r.out.data}
		if id == sessionlog.Stderr {
			s.out = p.r.out.aside
		}
		if p.held != nil {
			s.out = p.held.stream(id).write
		}
		p.streams[id] = s
	}
	return s
}

// A stream makes one output of a step safe and prints it: as it comes, or in
// whole lines behind a prefix if there is one.
type stream struct {
	prefix string
	plain  bool // without colours
	out    func([]byte)
	clean  vt.Cleaner
	buf    []byte // safe text, reused
	held   []byte // a line that has no end yet
	styled bool   // text passed that may have left a colour on
}

func (s *stream) write(p []byte) {
	s.buf = s.clean.Append(s.buf[:0], p)
	s.print(s.buf)
}

func (s *stream) print(text []byte) {
	if s.plain && bytes.IndexByte(text, 0x1b) >= 0 {
		text = []byte(ansi.Strip(string(text))) // clean ends every sequence that it begins
	}
	if s.prefix == "" {
		s.styled = s.styled || bytes.IndexByte(text, 0x1b) >= 0
		s.out(text)
		return
	}
	var lines []byte
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		s.held = append(s.held, line...)
		if text = rest; whole || len(s.held) >= maxHeld {
			lines = s.line(lines)
		}
	}
	s.out(lines)
}

// line appends the held line behind its prefix. A style it leaves on ends there,
// so that no endpoint can hide what another one says.
func (s *stream) line(dst []byte) []byte {
	dst = append(append(dst, s.prefix...), s.held...)
	if bytes.IndexByte(s.held, 0x1b) >= 0 {
		dst = append(dst, "\x1b[m"...)
	}
	s.held = s.held[:0]
	return append(dst, '\n')
}

func (s *stream) flush() {
	s.print(s.clean.Flush(nil))
	if s.prefix == "" {
		if s.styled {
			s.out([]byte("\x1b[m"))
		}
		return
	}
	if len(s.held) > 0 {
		s.out(s.line(nil))
	}
}
