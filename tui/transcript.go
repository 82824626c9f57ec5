package tui

import (
	"fmt"
	"strconv"
	"time"

	"github.com/caisey/caisey/sessionlog"
	words "github.com/caisey/caisey/sessionlog/transcript"
	"github.com/caisey/caisey/tui/vt"
)

// The most that a transcript keeps in memory. The record has all of it.
const (
	maxLines = 20_000
	maxBytes = 4 << 20
)

// What the Tag of a line says.
const (
	tagStdout uint8 = iota
	tagStderr
	tagOurs // not of the endpoint
)

// A transcript is the fold of a session's events into blocks of lines. It keeps
// the newest ones, within bounds. The zero value is the transcript of nothing.
type transcript struct {
	opened sessionlog.Opened
	closed bool
	did    string         // what it did to its endpoint, once that is known of a session that is over
	seq    sessionlog.Seq // of the newest event
	before sessionlog.Seq // what was before this event was not read; 0 if all was

	blocks  []*block // in the order they were begun; numbered without a gap
	byStep  map[sessionlog.StepID]*block
	begun   int // blocks begun so far
	running int // steps that have not ended, but for those that a gate holds
	held    int // steps that a gate holds
	lines   int // kept, of all blocks
	bytes   int
	dropped int // lines that fell out

	laid []*told // answers whose layout is kept, the oldest first
}

// A block is one step with its output, or one remark.
type block struct {
	n     int
	at    time.Time
	who   string
	text  string // the command or the remark, safe to draw
	step  sessionlog.StepID
	actor sessionlog.Actor

	command    string    // as it was typed
	unknown    bool      // its request was not read
	held       bool      // a gate holds it
	expires    time.Time // when it will have been held for too long
	dispatched bool
	started    time.Time
	cancel     bool
	ended      *sessionlog.Ended

	out  map[sessionlog.Stream]*vt.Lines // until the step has ended
	ring vt.Ring
	told *told // what it has told, if it is a check; then ring is its evidence
}

// apply folds the next event in.
func (t *transcript) apply(ev sessionlog.Event) {
	t.seq = ev.Seq
	switch ev.Kind {
	case sessionlog.SessionOpened:
		_ = ev.Decode(&t.opened) // what it does not say stays empty
	case sessionlog.SessionClosed:
		var c sessionlog.Closed
		_ = ev.Decode(&c)
		t.closed = true
		t.remark(ev, "session closed "+c.Why)
	case sessionlog.NoteAdded:
		var n sessionlog.Note
		_ = ev.Decode(&n)
		t.remark(ev, "note: "+n.Text)
	case sessionlog.StepRequested:
		t.request(ev)
	default:
		if b := t.byStep[ev.Step]; b != nil {
			t.step(b, ev)
		}
	}
	t.trim()
}

func (t *transcript) begin(ev sessionlog.Event, text string) *block {
	b := &block{n: t.begun, at: ev.Time, who: vt.Plain(ev.Actor.Name()), text: vt.Plain(text), actor: ev.Actor}
	b.ring.MaxLines, b.ring.MaxBytes = maxLines, maxBytes
	t.begun++
	t.lines++
	t.blocks = append(t.blocks, b)
	return b
}

func (t *transcript) remark(ev sessionlog.Event, text string) { t.begin(ev, text) }

func (t *transcript) request(ev sessionlog.Event) {
	var req sessionlog.Requested
	if ev.Decode(&req) != nil || t.byStep[ev.Step] != nil {
		return
	}
	if t.byStep == nil {
		t.byStep = map[sessionlog.StepID]*block{}
	}
	b := t.begin(ev, req.Command)
	b.step, b.command, b.out = ev.Step, req.Command, map[sessionlog.Stream]*vt.Lines{}
	if t.byStep[ev.Step] = b; req.IsCheck() {
		b.told = &told{}
	}
	t.running++
	for _, text := range words.Asked(req) {
		t.say(b, text)
	}
}

func (t *transcript) step(b *block, ev sessionlog.Event) {
	switch ev.Kind {
	case sessionlog.StepDispatched:
		t.release(b)
		b.dispatched = true
	case sessionlog.StepStarted:
		t.release(b)
		b.started = ev.Time
	case sessionlog.StepCancel:
		b.cancel = true
	case sessionlog.StepOutput:
		if ev.Chunk != nil && b.out != nil {
			t.release(b)
			t.output(b, ev.Chunk)
		}
	case sessionlog.StepGap:
		var gap sessionlog.Gap
		if b.out != nil && ev.Decode(&gap) == nil {
			t.gap(b, &gap)
		}
	case sessionlog.StepEnded:
		var end sessionlog.Ended
		if b.ended == nil && ev.Decode(&end) == nil {
			t.end(b, &end)
		}
	default:
		t.gate(b, ev)
	}
}

func (t *transcript) output(b *block, c *sessionlog.Chunk) {
	if c.Stream == sessionlog.RowStream {
		t.tell(b, c)
		return
	}
	if b.told != nil {
		b.told.witness(c)
	}
	l := b.out[c.Stream]
	if l == nil {
		l = &vt.Lines{}
		b.out[c.Stream] = l
	}
	l.Write(c.Data, t.keep(b, c.Stream))
}

// keep returns what puts a line of a stream into b.
func (t *transcript) keep(b *block, s sessionlog.Stream) func(vt.Line) {
	tag := tagStdout
	if s == sessionlog.Stderr {
		tag = tagStderr
	}
	return func(l vt.Line) {
		l.Tag = tag
		t.push(b, l)
	}
}

func (t *transcript) push(b *block, l vt.Line) {
	lines, bytes, dropped := b.ring.Len(), b.ring.Bytes(), b.ring.Dropped()
	b.ring.Push(l)
	t.lines += b.ring.Len() - lines
	t.bytes += b.ring.Bytes() - bytes
	t.dropped += b.ring.Dropped() - dropped
}

func (t *transcript) end(b *block, end *sessionlog.Ended) {
	for _, s := range []sessionlog.Stream{sessionlog.Stdout, sessionlog.Stderr} {
		if l := b.out[s]; l != nil {
			l.Flush(t.keep(b, s))
		}
	}
	t.release(b)
	b.ended, b.out = end, nil
	t.running--
	if end.Why != "" {
		t.say(b, string(end.State)+": "+end.Why)
	}
}

// gap says that output was left out. What comes after it begins a new line.
func (t *transcript) gap(b *block, gap *sessionlog.Gap) {
	if s, err := sessionlog.ParseStream(gap.Stream); err == nil && b.out[s] != nil {
		b.out[s].Flush(t.keep(b, s))
	}
	text := fmt.Sprintf("… %s bytes of %s not recorded", grouped(gap.Bytes), gap.Stream)
	if gap.Why != "" {
		text += ": " + gap.Why
	}
	t.say(b, text)
}

// say adds a line of our own.
func (t *transcript) say(b *block, text string) {
	if b.told != nil {
		t.onTold(b, func(d *told) { d.say(text) })
		return
	}
	l := vt.PlainLine(text)
	l.Tag = tagOurs
	t.push(b, l)
}

// grouped writes n with a comma before each three digits.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// trim lets the oldest lines fall out while there are too many.
func (t *transcript) trim() {
	for t.lines > maxLines || t.bytes > maxBytes {
		oldest := t.oldest()
		if oldest == nil {
			return
		}
		if d := oldest.told; oldest.ring.Len() == 0 && d != nil && d.rows() > 0 {
			t.onTold(oldest, (*told).free)
			continue
		}
		if oldest.ring.Len() == 0 { // only its first line is left, and what is always kept of an answer
			t.blocks = t.blocks[1:]
			delete(t.byStep, oldest.step)
			t.release(oldest)
			if oldest.step != "" && oldest.ended == nil {
				t.running--
			}
			if oldest.told != nil {
				t.bytes -= oldest.told.size
			}
			t.lines--
			t.dropped++
			continue
		}
		bytes := oldest.ring.Bytes()
		oldest.ring.Drop()
		t.lines--
		t.dropped++
		t.bytes += oldest.ring.Bytes() - bytes
	}
}

// manyBlocks is how many blocks there are when even a step that has not ended
// may fall out.
const manyBlocks = 1000

// oldest returns the first block that can give a line. The first line of a step
// that has not ended stays if it can.
func (t *transcript) oldest() *block {
	for i, b := range t.blocks {
		if b.ring.Len() > 0 || b.told != nil && b.told.rows() > 0 || i == 0 && (b.step == "" || b.ended != nil || len(t.blocks) > manyBlocks) {
			return b
		}
	}
	return nil
}

// block returns block number n, or nil if it is not kept.
func (t *transcript) block(n int) *block {
	if len(t.blocks) == 0 || n < t.blocks[0].n || n > t.blocks[len(t.blocks)-1].n {
		return nil
	}
	return t.blocks[n-t.blocks[0].n]
}

// newest returns the newest step of who that has not ended, or nil.
func (t *transcript) newest(who sessionlog.Actor) *block {
	for i := len(t.blocks) - 1; i >= 0; i-- {
		if b := t.blocks[i]; b.step != "" && b.ended == nil && b.actor == who {
			return b
		}
	}
	return nil
}

// commands returns the different commands of who, oldest first, without checks.
func (t *transcript) commands(who sessionlog.Actor) []string {
	var out []string
	for _, b := range t.blocks {
		if b.step != "" && b.actor == who && !b.unknown && b.told == nil && (len(out) == 0 || out[len(out)-1] != b.command) {
			out = append(out, b.command)
		}
	}
	return out
}

// Lines of a block are numbered: header, then the answer of a check, which is one
// line of many rows, then the ring's own numbers, then the lines that are not yet
// complete. Of a check the latter two are only there while its evidence is shown.
const (
	header = iota - 2
	answerLine
)

// first and end return the numbers of the block's first line of output and of the
// line after its last.
func (b *block) first() int { return b.ring.Dropped() }

func (b *block) end() int {
	if b.hides() {
		return b.first()
	}
	return b.ring.Dropped() + b.ring.Len() + len(b.partials())
}

func (b *block) line(n int) vt.Line {
	if i := n - b.ring.Dropped() - b.ring.Len(); i >= 0 {
		return b.partials()[i]
	}
	return b.ring.At(n)
}

// partials returns the lines that are not yet complete, at most one a stream.
func (b *block) partials() []vt.Line {
	var out []vt.Line
	for _, s := range []sessionlog.Stream{sessionlog.Stdout, sessionlog.Stderr} {
		if l := b.out[s]; l != nil {
			if line, ok := l.Partial(); ok {
				if s == sessionlog.Stderr {
					line.Tag = tagStderr
				}
				out = append(out, line)
			}
		}
	}
	return out
}
