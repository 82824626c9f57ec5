package verb

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// readBatch is the most events that are read at once; their output is bounded by
// sessionlog.Reader.
const readBatch = 256

// A recording is a record in which places are looked up, whatever its size. What
// comes after s.Events is not of it.
type recording struct {
	r console.Reader
	s console.Session
}

// read hands the events from first to last to each.
func (rec recording) read(ctx context.Context, first, last sessionlog.Seq, each func(sessionlog.Event) error) error {
	for first <= last {
		evs, err := rec.r.Read(ctx, first, int(min(readBatch, last-first+1)))
		if err != nil {
			return err
		}
		if len(evs) == 0 {
			return fmt.Errorf("read record: it has no event %d", first)
		}
		for _, ev := range evs {
			if err := each(ev); err != nil {
				return err
			}
		}
		first = evs[len(evs)-1].Seq + 1
	}
	return nil
}

// outline hands the events from first on that are no output to each, until it
// returns false.
func (rec recording) outline(ctx context.Context, first sessionlog.Seq, each func(sessionlog.Event) bool) error {
	for {
		evs, err := rec.r.Outline(ctx, first, readBatch)
		if err != nil {
			return err
		}
		for _, ev := range evs {
			if ev.Seq > rec.s.Events || !each(ev) {
				return nil
			}
		}
		if len(evs) == 0 {
			return nil
		}
		first = evs[len(evs)-1].Seq + 1
	}
}

// search returns the first event whose time is ok, one past the last if there is
// none, where later events are ok if earlier ones are. It reads few events.
func (rec recording) search(ctx context.Context, ok func(time.Time) bool) (sessionlog.Seq, error) {
	var failed error
	i := sort.Search(int(rec.s.Events), func(i int) bool {
		if failed != nil {
			return true
		}
		evs, err := rec.r.Read(ctx, sessionlog.Seq(i+1), 1)
		if err == nil && len(evs) == 0 {
			err = fmt.Errorf("read record: it has no event %d", i+1)
		}
		failed = err
		return err != nil || ok(evs[0].Time)
	})
	return sessionlog.Seq(i + 1), failed
}

// when reads a time on the line: a moment, or "+" and how long after the start.
func (rec recording) when(word string) (time.Time, error) {
	begin := rec.s.Opened.UTC()
	var at time.Time
	var err error
	if after, ok := strings.CutPrefix(word, "+"); ok {
		var d time.Duration
		d, err = console.ParseDuration(after)
		at = begin.Add(d)
	} else {
		at, err = console.ParseTime(word, begin.Truncate(time.Minute))
	}
	if err != nil {
		return at, console.Errorf(console.CodeUsage, "times are UTC, as `log` prints them; +8m is from the start", "replay: %v", err)
	}
	return at, nil
}

// from returns the first event at or after a time.
func (rec recording) from(ctx context.Context, word string) (sessionlog.Seq, error) {
	at, err := rec.when(word)
	if err != nil {
		return 0, err
	}
	seq, err := rec.search(ctx, func(t time.Time) bool { return !t.Before(at) })
	if err == nil && seq > rec.s.Events {
		err = console.Errorf(console.CodeUsage, "", "replay: the record ends before that, at %s", rec.s.Last.UTC().Format(time.RFC3339))
	}
	return seq, err
}

// until returns the last event at or before a time.
func (rec recording) until(ctx context.Context, word string) (sessionlog.Seq, error) {
	at, err := rec.when(word)
	if err != nil {
		return 0, err
	}
	seq, err := rec.search(ctx, func(t time.Time) bool { return t.After(at) })
	if err == nil && seq == 1 {
		err = console.Errorf(console.CodeUsage, "", "replay: the record begins after that, at %s", rec.s.Opened.UTC().Format(time.RFC3339))
	}
	return seq - 1, err
}

// step returns the request of a step that is named by its number or its ID.
func (rec recording) step(ctx context.Context, word string) (sessionlog.Seq, error) {
	number, err := strconv.Atoi(word)
	byNumber := err == nil && len(word) < 10
	var found []sessionlog.Seq
	n := 0
	err = rec.outline(ctx, 1, func(ev sessionlog.Event) bool {
		if ev.Kind != sessionlog.StepRequested {
			return true
		}
		n++
		if byNumber && n == number || !byNumber && strings.HasPrefix(string(ev.Step), strings.ToUpper(word)) {
			found = append(found, ev.Seq)
		}
		return len(found) < 2 && (!byNumber || n < number)
	})
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		return 0, console.Errorf(console.CodeUsage, "", "replay: the record has no step %.40q", word)
	case len(found) > 1:
		return 0, console.Errorf(console.CodeUsage, "write more of it", "replay: more than one step begins with %.40q", word)
	}
	return found[0], nil
}

// failed returns the request of the first step from first on that failed.
func (rec recording) failed(ctx context.Context, first sessionlog.Seq) (sessionlog.Seq, error) {
	asked := map[sessionlog.StepID]sessionlog.Seq{} // steps that have not ended
	var found sessionlog.Seq
	err := rec.outline(ctx, first, func(ev sessionlog.Event) bool {
		switch ev.Kind {
		case sessionlog.StepRequested:
			asked[ev.Step] = ev.Seq
		case sessionlog.StepEnded:
			if seq := asked[ev.Step]; seq > 0 && bad(ev) && (found == 0 || seq < found) {
				found = seq
			}
			delete(asked, ev.Step)
		}
		// One that was asked for earlier may still fail.
		return found == 0 || slices.ContainsFunc(slices.Collect(maps.Values(asked)), func(seq sessionlog.Seq) bool { return seq < found })
	})
	if err == nil && found == 0 {
		err = console.Errorf(console.CodeUsage, "", "replay: no step failed from event %d on", first)
	}
	return found, err
}

// bad reports whether a step did not end well, and not because somebody wanted so.
func bad(ended sessionlog.Event) bool {
	var b sessionlog.Ended
	return ended.Decode(&b) != nil || b.State != sessionlog.OK && b.State != sessionlog.Cancelled
}

// goingOn returns what opened the session and the requests of the steps that have
// not ended before event seq, in order.
func (rec recording) goingOn(ctx context.Context, seq sessionlog.Seq) ([]sessionlog.Event, error) {
	going := map[sessionlog.StepID]sessionlog.Event{} // "" stands for the session
	err := rec.outline(ctx, 1, func(ev sessionlog.Event) bool {
		switch {
		case ev.Seq >= seq:
			return false
		case ev.Kind == sessionlog.SessionOpened, ev.Kind == sessionlog.StepRequested:
			going[ev.Step] = ev
		case ev.Kind == sessionlog.StepEnded:
			delete(going, ev.Step)
		}
		return true
	})
	return slices.SortedFunc(maps.Values(going), func(a, b sessionlog.Event) int { return cmp.Compare(a.Seq, b.Seq) }), err
}
