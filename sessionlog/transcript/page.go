package transcript

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A form is how a page looks. Text that it is given is safe to show, but not
// escaped; what a record says of the session is not even safe.
type form interface {
	// begin is called once, before all else.
	begin(o sessionlog.Opened)
	opened(at time.Time, o sessionlog.Opened)
	// head begins a part of a page, with output and remarks of one step. again
	// says that the step has had a part before.
	head(at time.Time, st *step, again bool)
	// output is more of what the step of the newest part printed.
	output(stream sessionlog.Stream, text []byte)
	// remark says something about a step. open says whether it has the newest
	// part; if not, that part has ended.
	remark(at time.Time, st *step, r remark, open bool)
	note(at time.Time, by, text string, about time.Time)
	incident(at time.Time, text string)
	// closed tells of the end, and what the session did, if that is known.
	closed(at time.Time, by, why, did string)
	// end is called once, after all else. open says that the session goes on.
	end(last sessionlog.Seq, open bool)
}

// A remark is a line about a step.
type remark struct {
	kind remarkKind
	text string
}

type remarkKind string

const (
	endOK    remarkKind = "ok"     // how the step ended
	endOther remarkKind = "failed" // how it ended, and not well; an answer at the gate that people look for
	missing  remarkKind = "gap"    // what the record does not have
	said     remarkKind = "said"
)

// A page renders a session event by event into one document. What ran side by
// side stands interleaved, so a step may have several parts. It holds what it
// knows of the steps that have not ended, and no output but a bounded piece.
type page struct {
	sheet
	form   form
	loc    *time.Location
	begun  bool
	sealed bool
	at     time.Time // of the newest event
	seq    sessionlog.Seq
	from   sessionlog.Opened
	name   string // of the endpoint, "client/name"
	steps  map[sessionlog.StepID]*step
	count  int    // of steps
	open   *step  // the step of the newest part; nil if that has ended
	raw    []byte // scratch for output
	tally  sessionlog.Tally
}

func newPage(w io.Writer, opts Options) page {
	return page{sheet: sheet{w: w}, loc: cmp.Or(opts.Location, time.UTC), from: opts.Opened, steps: map[sessionlog.StepID]*step{}}
}

// Print renders the next event. Kinds it does not know it passes over.
func (p *page) Print(ev sessionlog.Event) error {
	if ev.Kind == sessionlog.SessionOpened {
		_ = ev.Decode(&p.from) // what cannot be read is left out
	}
	p.begin()
	p.tally.Add(ev)
	p.at, p.seq = ev.Time, ev.Seq
	switch ev.Kind {
	case sessionlog.SessionOpened:
		p.form.opened(ev.Time, p.from)
	case sessionlog.SessionClosed:
		p.closed(ev)
	case sessionlog.StepRequested:
		p.requested(ev)
	case sessionlog.StepOutput:
		p.output(ev)
	case sessionlog.StepGap:
		p.gap(ev)
	case sessionlog.StepCancel:
		p.remark(ev.Time, p.step(ev.Step), remark{said, "cancelled by " + vt.Plain(ev.Actor.Name())})
	case sessionlog.StepEnded:
		p.ended(ev)
	case sessionlog.NoteAdded:
		p.note(ev)
	case sessionlog.IncidentJoined:
		if text := Incident(ev); text != "" {
			p.open = nil
			p.form.incident(ev.Time, text)
		}
	default:
		p.gate(ev)
	}
	return p.write()
}

// Flush ends the document. Nothing may be printed after it.
func (p *page) Flush() error {
	p.begin()
	for _, st := range slices.SortedFunc(maps.Values(p.steps), func(a, b *step) int { return cmp.Compare(a.n, b.n) }) {
		p.rest(p.at, st, sessionlog.Stdout)
		p.rest(p.at, st, sessionlog.Stderr)
		p.remark(p.at, st, remark{missing, "has not ended where this record ends"})
	}
	p.form.end(p.seq, !p.sealed)
	return p.write()
}

func (p *page) begin() {
	if p.begun {
		return
	}
	p.begun = true
	p.name = endpoint(p.from)
	p.form.begin(p.from)
}

func (p *page) add(parts ...string) {
	for _, s := range parts {
		p.buf = append(p.buf, s...)
	}
}

func (p *page) requested(ev sessionlog.Event) {
	var b sessionlog.Requested
	if ev.Decode(&b) != nil {
		return
	}
	p.count++
	st := &step{n: p.count, by: vt.Plain(ev.Actor.Name()), command: safe(b.Command), check: b.IsCheck()}
	p.steps[ev.Step] = st
	p.head(ev.Time, st)
	for _, text := range Asked(b) {
		p.remark(ev.Time, st, remark{said, text})
	}
}

func (p *page) head(at time.Time, st *step) {
	p.form.head(at, st, st.shown)
	p.open, st.shown = st, true
}

// step returns a step that has not ended, also one whose request was not printed.
func (p *page) step(id sessionlog.StepID) *step {
	st := p.steps[id]
	if st == nil {
		p.count++
		st = &step{n: p.count, by: "?", command: "step " + vt.Plain(string(id))}
		p.steps[id] = st
	}
	return st
}

func (p *page) output(ev sessionlog.Event) {
	c := ev.Chunk
	if c == nil || !c.Stream.Valid() {
		return
	}
	st := p.step(ev.Step)
	var stream sessionlog.Stream
	p.raw, stream = st.take(p.raw[:0], c)
	p.text(ev.Time, st, stream, p.raw)
}

func (p *page) text(at time.Time, st *step, stream sessionlog.Stream, text []byte) {
	if text = stripSGR(text); len(text) == 0 {
		return
	}
	if p.open != st {
		p.head(at, st)
	}
	p.form.output(stream, text)
}

// rest prints what stands for an unfinished sequence at a stream's end.
func (p *page) rest(at time.Time, st *step, stream sessionlog.Stream) {
	if stream != sessionlog.RowStream {
		p.text(at, st, stream, st.left(stream))
	}
}

func (p *page) gap(ev sessionlog.Event) {
	var b sessionlog.Gap
	if ev.Decode(&b) != nil {
		return
	}
	st := p.step(ev.Step)
	if s, err := sessionlog.ParseStream(b.Stream); err == nil {
		p.rest(ev.Time, st, s)
	}
	p.remark(ev.Time, st, remark{missing, gapText(b)})
}

func (p *page) ended(ev sessionlog.Event) {
	var b sessionlog.Ended
	if ev.Decode(&b) != nil {
		return
	}
	st := p.step(ev.Step)
	p.rest(ev.Time, st, sessionlog.Stdout)
	p.rest(ev.Time, st, sessionlog.Stderr)
	if text := st.unseen(); text != "" {
		p.remark(ev.Time, st, remark{said, text})
	}
	kind := endOther
	if b.State == sessionlog.OK {
		kind = endOK
	}
	p.remark(ev.Time, st, remark{kind, End(b)})
	delete(p.steps, ev.Step)
	if p.open == st {
		p.open = nil
	}
}

func (p *page) remark(at time.Time, st *step, r remark) {
	if !st.shown { // its request is not in the record
		p.head(at, st)
	}
	open := p.open == st
	if !open {
		p.open = nil
	}
	p.form.remark(at, st, r, open)
}

func (p *page) note(ev sessionlog.Event) {
	var b sessionlog.Note
	if ev.Decode(&b) != nil {
		return
	}
	p.open = nil
	p.form.note(ev.Time, vt.Plain(ev.Actor.Name()), safe(b.Text), b.At)
}

func (p *page) closed(ev sessionlog.Event) {
	var b sessionlog.Closed
	if len(ev.Body) > 0 {
		_ = ev.Decode(&b) // without it, it was closed all the same
	}
	p.open, p.sealed = nil, true
	p.form.closed(ev.Time, vt.Plain(ev.Actor.Name()), vt.Plain(b.Why), did(&p.tally))
}

// stamp returns at as people read it.
func (p *page) stamp(at time.Time) string { return at.In(p.loc).Format("2006-01-02 15:04:05 MST") }

// safe returns s as safe text of any number of lines, without SGR.
func safe(s string) string { return string(stripSGR([]byte(vt.Clean([]byte(s))))) }
