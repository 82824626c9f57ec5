package transcript

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// What stands before each line of output. Errors are told apart only by this.
const (
	outPrefix = "  "
	errPrefix = "! "
)

const sgrReset = "\x1b[0m"

func (p *Printer) output(ev sessionlog.Event) {
	c := ev.Chunk
	if c == nil || !c.Stream.Valid() {
		return
	}
	st := p.step(ev.Step)
	var stream sessionlog.Stream
	p.raw, stream = st.take(p.raw[:0], c)
	if p.open != st && (len(p.raw) > 0 || !st.check) {
		p.head(ev.Time, st, " (continued)")
	}
	p.text(st, stream, p.raw)
}

// text prints safe text of one stream of the open step.
func (p *Printer) text(st *step, stream sessionlog.Stream, text []byte) {
	if !p.opts.Color {
		text = stripSGR(text)
	}
	if p.at != stream && len(text) > 0 {
		p.endLine()
		p.at = stream
	}
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte{'\n'})
		if !p.mid {
			p.prefix(stream)
		}
		if p.width > 0 {
			p.wrap(stream, line)
		} else {
			p.buf = append(p.buf, line...)
		}
		st.sgr = st.sgr || bytes.IndexByte(line, 0x1b) >= 0
		p.mid = true
		if ended {
			p.endLine()
		}
		text = rest
	}
}

// wrap prints part of a line in rows of p.width cells, each behind the prefix,
// so that no row looks like one of ours.
func (p *Printer) wrap(stream sessionlog.Stream, line []byte) {
	for len(line) > 0 {
		n := bytes.IndexByte(line, 'm') + 1
		if line[0] != 0x1b {
			var cells int
			n, cells = cell(line, p.col)
			if p.col += cells; p.col > p.width {
				p.buf = append(p.buf, '\n')
				p.prefix(stream)
				p.col += cells
			}
		}
		p.buf = append(p.buf, line[:n]...)
		line = line[n:]
	}
}

// cell returns how many bytes the first character of line has, and how many
// cells it takes in column col.
func cell(line []byte, col int) (n, cells int) {
	switch c := line[0]; {
	case c == '\t':
		return 1, 8 - col%8
	case c < utf8.RuneSelf:
		return 1, 1
	}
	_, n = utf8.DecodeRune(line)
	return n, ansi.StringWidthWc(string(line[:n]))
}

func (p *Printer) prefix(stream sessionlog.Stream) {
	p.col = len(outPrefix)
	if stream == sessionlog.Stderr {
		p.buf = append(p.buf, errPrefix...)
		return
	}
	p.buf = append(p.buf, outPrefix...)
}

// endLine ends a line of output that is not ended, and any colour that it set.
func (p *Printer) endLine() {
	if p.open != nil && p.open.sgr {
		p.buf = append(p.buf, sgrReset...)
		p.open.sgr = false
	}
	if p.mid {
		p.buf = append(p.buf, '\n')
		p.mid = false
	}
}

// stripSGR removes the SGR sequences of text that vt.Cleaner made, in place.
func stripSGR(text []byte) []byte {
	i := bytes.IndexByte(text, 0x1b)
	if i < 0 {
		return text
	}
	out := text[:i]
	for text = text[i:]; len(text) > 0; text = text[1:] {
		if text[0] != 0x1b {
			out = append(out, text[0])
			continue
		}
		end := bytes.IndexByte(text, 'm')
		if end < 0 {
			break
		}
		text = text[end:]
	}
	return out
}

// under prints a line that belongs to a step.
func (p *Printer) under(ev sessionlog.Event, text string) { p.below(ev, outPrefix, text) }

// below prints such a line behind a prefix.
func (p *Printer) below(ev sessionlog.Event, prefix, text string) {
	st := p.step(ev.Step)
	if p.open != st {
		p.line(ev.Time, st.by, p.name+" > "+st.command+": "+text)
		return
	}
	p.endLine()
	p.buf = append(append(append(p.buf, prefix...), text...), '\n')
}

func (p *Printer) gap(ev sessionlog.Event) {
	var b sessionlog.Gap
	if ev.Decode(&b) != nil {
		return
	}
	st := p.step(ev.Step)
	if s, err := sessionlog.ParseStream(b.Stream); err == nil {
		p.rest(ev.Time, st, s)
	}
	p.under(ev, gapText(b))
}

// gapText says in one line what was left out.
func gapText(b sessionlog.Gap) string {
	text := fmt.Sprintf("… %s bytes of %s not recorded", thousands(b.Bytes), vt.Plain(b.Stream))
	if b.Why != "" {
		text += ": " + vt.Plain(b.Why)
	}
	return text
}

// thousands writes n with a comma between each three digits.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func (p *Printer) ended(ev sessionlog.Event) {
	var b sessionlog.Ended
	if ev.Decode(&b) != nil {
		return
	}
	st := p.step(ev.Step)
	for s := sessionlog.Stdout; s <= sessionlog.Stderr; s++ {
		p.rest(ev.Time, st, s)
	}
	if text := st.unseen(); text != "" {
		p.under(ev, text)
	}
	p.under(ev, End(b))
	delete(p.steps, ev.Step)
	if p.open == st {
		p.open = nil
	}
}

// rest prints what stands for an unfinished sequence at a stream's end.
func (p *Printer) rest(at time.Time, st *step, s sessionlog.Stream) {
	if s == sessionlog.RowStream {
		return
	}
	rest := st.left(s)
	if len(rest) == 0 {
		return
	}
	if p.open != st {
		p.head(at, st, " (continued)")
	}
	p.text(st, s, rest)
}

// End says in one line how a step ended: "exit 0  1.9 s" or the state in words.
func End(b sessionlog.Ended) string {
	text := state(b)
	if b.Duration > 0 {
		text += "  " + strconv.FormatFloat(b.Duration, 'f', 1, 64) + " s"
	}
	if b.Why != "" {
		text += "  (" + vt.Plain(b.Why) + ")"
	}
	return text
}

func state(b sessionlog.Ended) string {
	switch b.State {
	case sessionlog.OK, sessionlog.Failed:
		switch {
		case b.Signal != "":
			return "ended by signal " + vt.Plain(b.Signal)
		case b.Exit < 0:
			return "failed"
		}
		return fmt.Sprintf("exit %d", b.Exit)
	case sessionlog.TimedOut:
		return "timed out, killed"
	case sessionlog.Cancelled:
		return "cancelled, killed"
	case sessionlog.Refused:
		return "refused, did not run"
	case sessionlog.Offline:
		return "endpoint offline, did not run"
	case sessionlog.Lost:
		return "lost, may or may not have run to its end"
	}
	return vt.Plain(string(b.State))
}
