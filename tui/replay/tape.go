package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A Spot is an event of a record and when it happened.
type Spot struct {
	Seq sessionlog.Seq
	// At is since the first event, and not before it.
	At time.Duration
}

// A Tape finds places in a record by reading as little of it as it can. Its
// methods may be called concurrently.
//
// A relay's clock may have been set back, so that times do not always grow. Then
// one time stands at several places of the record, and Seek finds that place
// which is nearest, about, to where it began. Whatever the times are, it finds an
// event that is not after the time while the next one is; that needs no more than
// two events, where a time that never decreases would need all before them.
type Tape struct {
	r     sessionlog.Reader
	start time.Time
}

// NewTape returns the Tape of r. It waits for the first event.
func NewTape(ctx context.Context, r sessionlog.Reader) (*Tape, error) {
	if _, err := r.Wait(ctx, 0); err != nil {
		return nil, fmt.Errorf("wait for the first event: %w", err)
	}
	t := &Tape{r: r}
	ev, err := t.Event(ctx, 1)
	t.start = ev.Time
	return t, err
}

// Reader returns the record.
func (t *Tape) Reader() sessionlog.Reader { return t.r }

// Start returns the time of the first event.
func (t *Tape) Start() time.Time { return t.start }

// At returns the place of ev.
func (t *Tape) At(ev sessionlog.Event) Spot {
	return Spot{ev.Seq, max(0, ev.Time.Sub(t.start))}
}

// Event reads one event.
func (t *Tape) Event(ctx context.Context, seq sessionlog.Seq) (sessionlog.Event, error) {
	evs, err := t.r.Read(ctx, seq, 1)
	if err == nil && len(evs) == 0 {
		err = fmt.Errorf("there is no event %d", seq)
	}
	if err != nil {
		return sessionlog.Event{}, fmt.Errorf("read record: %w", err)
	}
	return evs[0], nil
}

// Spot returns the place of event seq, or of the nearest one that there is.
func (t *Tape) Spot(ctx context.Context, seq sessionlog.Seq) (Spot, error) {
	ev, err := t.Event(ctx, min(max(seq, 1), t.r.Head().Seq))
	return t.At(ev), err
}

// Seek returns the last event up to and at a time, looking onwards from from, or
// back if from is later. It reads some forty events of a million.
func (t *Tape) Seek(ctx context.Context, from sessionlog.Seq, to time.Duration) (Spot, error) {
	to = max(to, 0)
	lo, err := t.Spot(ctx, from)
	hi := lo.Seq
	switch {
	case err != nil:
	case lo.At > to:
		lo, hi, err = t.back(ctx, lo, to)
	default:
		lo, hi, err = t.on(ctx, lo, to)
	}
	for err == nil && hi-lo.Seq > 1 { // lo is not after the time, hi is, or is past the end
		var mid Spot
		if mid, err = t.Spot(ctx, lo.Seq+(hi-lo.Seq)/2); mid.At <= to {
			lo = mid
		} else {
			hi = mid.Seq
		}
	}
	return lo, err
}

// on goes from lo, which is not after a time, in growing steps until an event is.
func (t *Tape) on(ctx context.Context, lo Spot, to time.Duration) (Spot, sessionlog.Seq, error) {
	head := t.r.Head().Seq
	for step := sessionlog.Seq(1); lo.Seq+step <= head; step *= 2 {
		spot, err := t.Spot(ctx, lo.Seq+step)
		if err != nil {
			return lo, 0, err
		}
		if spot.At > to {
			return lo, spot.Seq, nil
		}
		lo = spot
	}
	return lo, head + 1, nil
}

// back goes from hi, which is after a time, in growing steps until an event is
// not: the first one never is.
func (t *Tape) back(ctx context.Context, hi Spot, to time.Duration) (Spot, sessionlog.Seq, error) {
	for step := sessionlog.Seq(1); ; step *= 2 {
		spot, err := t.Spot(ctx, hi.Seq-min(step, hi.Seq-1))
		if err != nil || spot.At <= to {
			return spot, hi.Seq, err
		}
		hi = spot
	}
}

// outlinePage is how many events an outline is asked for at once.
const outlinePage = 1024

// Next returns the first event after a place that is not output and that is holds
// for, or none: its Seq is 0.
func (t *Tape) Next(ctx context.Context, after sessionlog.Seq, is func(sessionlog.Event) bool) (sessionlog.Event, error) {
	for {
		evs, err := t.r.Outline(ctx, after+1, outlinePage)
		if err != nil || len(evs) == 0 {
			return sessionlog.Event{}, err
		}
		for _, ev := range evs {
			if is(ev) {
				return ev, nil
			}
		}
		after = evs[len(evs)-1].Seq
	}
}

// Prev is Next towards the beginning. It gives up, and returns none, after about
// budget events; 0 means never.
func (t *Tape) Prev(ctx context.Context, before sessionlog.Seq, budget int, is func(sessionlog.Event) bool) (sessionlog.Event, error) {
	var found sessionlog.Event
	hi, seen := before, 0
	for step := sessionlog.Seq(outlinePage); hi > 1; step *= 2 {
		lo := hi - min(step, hi-1)
		for from := lo; from < hi; {
			evs, err := t.r.Outline(ctx, from, outlinePage)
			if err != nil {
				return found, err
			}
			from = hi
			for _, ev := range evs {
				if ev.Seq < hi && is(ev) {
					found = ev
				}
				from = ev.Seq + 1
			}
			seen += len(evs)
		}
		if found.Seq > 0 || budget > 0 && seen >= budget {
			return found, nil
		}
		hi = lo
	}
	return found, nil
}
