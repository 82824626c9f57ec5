package verb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

type replayVerb struct {
	ID    string   `arg:"" help:"The session, or how its id begins."`
	Speed float64  `default:"1" placeholder:"1" help:"How many times faster than it happened, 0.25 to 64."`
	Idle  duration `default:"2s" placeholder:"2s" help:"The longest pause between two events; 0 leaves all as they were."`
	From  string   `placeholder:"TIME" help:"Begin at a time such as 14:52:10, or at +8m from the start."`
	Step  string   `placeholder:"STEP" help:"Begin at a step: its number, or how its id begins."`
	Error bool     `help:"Begin at the first step that failed; with --from or --step, the first from there on."`
	Until string   `placeholder:"TIME" help:"End at a time."`
	AsOf  string   `name:"as-of" placeholder:"TIME" help:"Print the record as it stood at a time, at once."`
}

// The slowest and the fastest replay.
const (
	minSpeed = 0.25
	maxSpeed = 64
)

func (v *replayVerb) run(ctx context.Context, e *env) error {
	if err := v.check(); err != nil {
		return err
	}
	s, err := e.session(ctx, v.ID)
	if err != nil || s.Events == 0 {
		return err
	}
	r, err := e.call.Backend.Look(ctx, s.ID)
	if err != nil {
		return err
	}
	defer r.Close()
	rec := recording{r, s}
	if v.AsOf != "" {
		return v.asOf(ctx, e, rec)
	}
	first, last, err := v.bounds(ctx, rec)
	if err != nil {
		return err
	}
	p := e.recordPrinter(s, false)
	if first > 1 { // what is going on when it begins
		going, err := rec.goingOn(ctx, first)
		if err != nil {
			return err
		}
		for _, ev := range going {
			if err := p.Print(ev); err != nil {
				return err
			}
		}
	}
	pace := pacer{speed: v.Speed, idle: time.Duration(v.Idle)}
	err = rec.read(ctx, first, last, func(ev sessionlog.Event) error {
		if err := pace.wait(ctx, ev.Time); err != nil {
			return err
		}
		return p.Print(ev)
	})
	return errors.Join(err, p.Flush())
}

func (v *replayVerb) check() error {
	switch {
	case !(v.Speed >= minSpeed && v.Speed <= maxSpeed):
		return console.Errorf(console.CodeUsage, fmt.Sprintf("give a number from %v to %v", minSpeed, maxSpeed), "replay: speed %v is not possible", v.Speed)
	case v.From != "" && v.Step != "":
		return console.Errorf(console.CodeUsage, "give one of them", "replay: --from and --step both say where to begin")
	case v.AsOf != "" && (v.From != "" || v.Step != "" || v.Error || v.Until != ""):
		return console.Errorf(console.CodeUsage, "give --as-of alone", "replay: --as-of shows all that there was, from the start")
	}
	return nil
}

// bounds returns the first and the last event to replay.
func (v *replayVerb) bounds(ctx context.Context, rec recording) (first, last sessionlog.Seq, err error) {
	first, last = 1, rec.s.Events
	switch {
	case v.From != "":
		first, err = rec.from(ctx, v.From)
	case v.Step != "":
		first, err = rec.step(ctx, v.Step)
	}
	if err == nil && v.Error {
		first, err = rec.failed(ctx, first)
	}
	if err == nil && v.Until != "" {
		last, err = rec.until(ctx, v.Until)
	}
	if err == nil && last < first {
		err = console.Errorf(console.CodeUsage, "", "replay: it would end before it begins")
	}
	return first, last, err
}

// asOf prints what the record had at a time, and says what was not over then.
func (v *replayVerb) asOf(ctx context.Context, e *env, rec recording) error {
	last, err := rec.until(ctx, v.AsOf)
	if err != nil {
		return err
	}
	p := e.recordPrinter(rec.s, false)
	err = rec.read(ctx, 1, last, p.Print)
	if err := errors.Join(err, p.Flush()); err != nil {
		return err
	}
	going, err := rec.goingOn(ctx, last+1)
	if err != nil {
		return err
	}
	running := len(slices.DeleteFunc(going, func(ev sessionlog.Event) bool { return ev.Step == "" }))
	e.out.sayf("as of event %d of %d; steps that ran then: %d", last, rec.s.Events, running)
	return nil
}

// A pacer lets time pass between events as it did when they happened.
type pacer struct {
	speed float64
	idle  time.Duration // the longest pause, at speed 1; 0 for any

	last time.Time // of the newest event, by the record
	due  time.Time // when it was to be seen
}

// maxLate is how far a replay may be behind before it lets that time go by.
const maxLate = time.Second

// wait returns when an event of time at is to be seen.
func (p *pacer) wait(ctx context.Context, at time.Time) error {
	now := time.Now()
	if p.last.IsZero() {
		p.last, p.due = at, now
		return ctx.Err()
	}
	gap := max(at.Sub(p.last), 0)
	if p.idle > 0 {
		gap = min(gap, p.idle)
	}
	p.last = at
	p.due = p.due.Add(time.Duration(float64(gap) / p.speed))
	if now.Sub(p.due) > maxLate {
		p.due = now
	}
	return pause(ctx, p.due.Sub(now))
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
