package transcript

import (
	"context"
	"io"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// Options says how text is rendered. The zero value is good.
type Options struct {
	// Location is where times are shown. If nil, UTC.
	Location *time.Location
	// Color keeps the colours of output. Leave it off where the text does not go
	// to a terminal.
	Color bool
	// Opened names the session if the first event to be printed is not the
	// session's first.
	Opened sessionlog.Opened
}

// Text writes the whole record that r has.
func Text(ctx context.Context, w io.Writer, r sessionlog.Reader, opts Options) error {
	p := NewPrinter(w, opts)
	if err := sessionlog.Replay(ctx, r, p.Print); err != nil {
		return err
	}
	return p.Flush()
}

// A Printer renders a session event by event, in the order of the record: what
// ran side by side stands interleaved, and a step's line is repeated where its
// output goes on. Output appears as soon as it is printed, whole line or not.
type Printer struct {
	sheet
	opts  Options
	width int    // where lines of output are wrapped; if 0, nowhere
	col   int    // cells of the row so far, where lines are wrapped
	name  string // of the endpoint, "client/name"
	steps map[sessionlog.StepID]*step
	open  *step // the step whose line was printed last
	at    sessionlog.Stream
	mid   bool // the last byte written was not a line's end
	day   string
	raw   []byte // scratch for output
	tally sessionlog.Tally
}

// A step is one that has not ended.
type step struct {
	n           int  // counts the steps of a page, from 1
	shown       bool // the page has a part of it
	by, command string
	check       bool // it asks a check
	rows        check.Printer
	evidence    int64         // bytes of a check that are not shown
	clean       [3]vt.Cleaner // by stream of a command
	sgr         bool          // its output may have left a colour on
}

// NewPrinter returns a Printer that writes to w.
func NewPrinter(w io.Writer, opts Options) *Printer {
	if opts.Location == nil {
		opts.Location = time.UTC
	}
	p := &Printer{sheet: sheet{w: w}, opts: opts, steps: map[sessionlog.StepID]*step{}}
	p.name = endpoint(opts.Opened)
	return p
}

// Print renders the next event. Kinds it does not know it passes over.
func (p *Printer) Print(ev sessionlog.Event) error {
	p.tally.Add(ev)
	switch ev.Kind {
	case sessionlog.SessionOpened:
		p.opened(ev)
	case sessionlog.SessionClosed:
		p.closed(ev)
	case sessionlog.StepRequested:
		p.requested(ev)
	case sessionlog.StepOutput:
		p.output(ev)
	case sessionlog.StepGap:
		p.gap(ev)
	case sessionlog.StepCancel:
		p.under(ev, "cancelled by "+vt.Plain(ev.Actor.Name()))
	case sessionlog.StepEnded:
		p.ended(ev)
	case sessionlog.NoteAdded:
		p.note(ev)
	case sessionlog.IncidentJoined:
		if text := Incident(ev); text != "" {
			p.line(ev.Time, "", text)
		}
	default:
		p.gate(ev)
	}
	return p.write()
}

// Flush renders what unfinished output still stands for, and ends the line.
func (p *Printer) Flush() error {
	p.endLine()
	return p.write()
}

func (p *Printer) opened(ev sessionlog.Event) {
	var b sessionlog.Opened
	if ev.Decode(&b) != nil {
		return
	}
	p.name = endpoint(b)
	p.line(ev.Time, "", "session "+vt.Plain(string(b.Session))+" of "+vt.Plain(b.Technician)+" on "+p.name)
}

func (p *Printer) closed(ev sessionlog.Event) {
	var b sessionlog.Closed
	text := "session closed by " + vt.Plain(ev.Actor.Name())
	if ev.Decode(&b) == nil && b.Why != "" {
		text += ": " + vt.Plain(b.Why)
	}
	p.line(ev.Time, "", text)
	if text := did(&p.tally); text != "" {
		p.line(ev.Time, "", text)
	}
}

func (p *Printer) note(ev sessionlog.Event) {
	var b sessionlog.Note
	if ev.Decode(&b) != nil {
		return
	}
	text := vt.Plain(ev.Actor.Name()) + " noted: " + vt.Plain(b.Text)
	if !b.At.IsZero() {
		text += " (about " + b.At.In(p.opts.Location).Format(time.DateTime) + ")"
	}
	p.line(ev.Time, "", text)
}

func (p *Printer) requested(ev sessionlog.Event) {
	var b sessionlog.Requested
	if ev.Decode(&b) != nil {
		return
	}
	st := &step{by: vt.Plain(ev.Actor.Name()), command: vt.Plain(b.Command), check: b.IsCheck()}
	p.steps[ev.Step] = st
	p.head(ev.Time, st, "")
	for _, text := range Asked(b) {
		p.below(ev, gatePrefix, text)
	}
}

// head prints the line that says who asked for a step, where, and what.
func (p *Printer) head(at time.Time, st *step, more string) {
	p.line(at, st.by, p.name+" > "+st.command+more)
	p.open, p.at = st, 0
}

// line prints one line with its time, after a line with the date if that is new.
func (p *Printer) line(at time.Time, by, text string) {
	p.endLine()
	p.open = nil
	at = at.In(p.opts.Location)
	if day := at.Format("2006-01-02 MST"); day != p.day {
		p.day = day
		p.buf = append(append(p.buf, day...), '\n')
	}
	p.buf = append(at.AppendFormat(p.buf, time.TimeOnly), ' ')
	if by != "" {
		p.buf = append(append(p.buf, by...), ' ')
	}
	p.buf = append(append(p.buf, text...), '\n')
}

// step returns a step that has not ended, also one whose request was not printed.
func (p *Printer) step(id sessionlog.StepID) *step {
	st := p.steps[id]
	if st == nil {
		st = &step{by: "?", command: "step " + vt.Plain(string(id))}
		p.steps[id] = st
	}
	return st
}
