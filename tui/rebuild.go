package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/replay"
)

// A depth says how much of a record a transcript is made of.
type depth struct{ events, bytes int }

// The depths: what is there at once, and all that a transcript keeps.
var (
	shallow = depth{600, 512 << 10}
	deep    = depth{maxLines, maxBytes}
)

// The most that a rebuild looks at beside its window, so that it costs the same
// in any record: how much of a short one it takes into the index, how many events
// of the outline it goes back for the commands of output in the window, and steps
// that were running.
const (
	indexedAtOnce = 1024
	lookedBack    = 1024
	maxCarried    = 100
	aroundRequest = 32 // events of the outline in which a step says that it began
)

// rebuild returns the transcript as it was when event at was the newest, made of
// the events before it to a depth. Its cost does not depend on how long the record
// is: what was before the window is not read, but for the beginnings of the steps
// that ran into it. Where the index does not know yet which those were, the
// transcript leaves out the silent ones.
//
// It is the end of the transcript that the fold from event 1 makes, with one
// difference: a line that began before the window shows what came in it, in the
// window's own colours.
func rebuild(ctx context.Context, x *replay.Index, at sessionlog.Seq, d depth) (*transcript, error) {
	t := &transcript{}
	if at == 0 {
		return t, nil
	}
	evs, err := window(ctx, x.Tape().Reader(), at, d)
	if err != nil {
		return nil, err
	}
	if from := evs[0].Seq; from > 1 {
		if err := t.resume(ctx, x, from, evs); err != nil {
			return nil, err
		}
	}
	for _, ev := range evs {
		t.apply(ev)
	}
	return t, nil
}

// window returns the events up to at, about as many as d says.
func window(ctx context.Context, r sessionlog.Reader, at sessionlog.Seq, d depth) ([]sessionlog.Event, error) {
	var pages [][]sessionlog.Event
	events, bytes, hi := 0, 0, at+1
	for step := sessionlog.Seq(32); hi > 1 && events < d.events && bytes < d.bytes; step = min(2*step, 1024) {
		lo := hi - min(step, hi-1, sessionlog.Seq(d.events-events))
		var page []sessionlog.Event
		for next := lo; next < hi; next = lo + sessionlog.Seq(len(page)) {
			evs, err := r.Read(ctx, next, int(hi-next))
			if err != nil {
				return nil, fmt.Errorf("read record: %w", err)
			}
			if len(evs) == 0 {
				return nil, fmt.Errorf("read record: there is no event %d", next)
			}
			page = append(page, evs...)
		}
		for _, ev := range page {
			bytes += len(ev.Body)
			if ev.Chunk != nil {
				bytes += len(ev.Chunk.Data)
			}
		}
		events += len(page)
		pages, hi = append(pages, page), lo
	}
	slices.Reverse(pages)
	return slices.Concat(pages...), nil
}

// resume puts in what the transcript of the events from from on needs of the time
// before: whose session it is, and the steps that were running.
func (t *transcript) resume(ctx context.Context, x *replay.Index, from sessionlog.Seq, evs []sessionlog.Event) error {
	if from <= indexedAtOnce && x.Upto() < from { // a longer record's index is filled meanwhile
		if _, err := x.Fill(ctx, indexedAtOnce); err != nil {
			return err
		}
	}
	first, err := x.Tape().Event(ctx, 1)
	if err != nil {
		return err
	}
	t.apply(first)
	t.before = from
	steps, err := carried(ctx, x, from, orphans(evs))
	if err != nil {
		return err
	}
	for _, s := range steps {
		if err := t.carry(ctx, x.Tape(), s, from); err != nil {
			return err
		}
		switch b := t.byStep[s.ID]; {
		case b != nil && b.told != nil:
			if err := t.retell(ctx, x.Tape().Reader(), s, from); err != nil {
				return err
			}
		case b != nil && !s.silent(b) && !whole(evs, s.ID):
			t.say(b, "… earlier output not shown")
		}
	}
	return nil
}

// orphans returns the steps with events in evs that were requested earlier, each
// with its first event.
func orphans(evs []sessionlog.Event) map[sessionlog.StepID]sessionlog.Event {
	out, here := map[sessionlog.StepID]sessionlog.Event{}, map[sessionlog.StepID]bool{}
	for _, ev := range evs {
		if ev.Step == "" || here[ev.Step] {
			continue
		}
		here[ev.Step] = true
		if ev.Kind != sessionlog.StepRequested && len(out) < manyBlocks {
			out[ev.Step] = ev
		}
	}
	return out
}

// whole reports whether evs have all output of a step.
func whole(evs []sessionlog.Event, id sessionlog.StepID) bool {
	seen := map[sessionlog.Stream]bool{}
	for _, ev := range evs {
		if c := ev.Chunk; c != nil && ev.Step == id && !seen[c.Stream] {
			if seen[c.Stream] = true; c.Offset > 0 {
				return false
			}
		}
	}
	return len(seen) > 0
}

// A carriedStep is a step that was requested before a window and is in it.
type carriedStep struct {
	replay.Step
	first sessionlog.Event // in the window, if it has any
}

// carried returns the steps that run into a window that begins with from, in the
// order in which they were requested: those in it, and what else the index knows.
// A step whose request is not found comes first, without one.
func carried(ctx context.Context, x *replay.Index, from sessionlog.Seq, in map[sessionlog.StepID]sessionlog.Event) ([]carriedStep, error) {
	var out []carriedStep
	for id, ev := range in {
		s := x.Step(id)
		s.ID = id
		out = append(out, carriedStep{s, ev})
	}
	for _, s := range x.Running(from, maxCarried) {
		if _, ok := in[s.ID]; !ok {
			out = append(out, carriedStep{Step: s})
		}
	}
	missing := map[sessionlog.StepID]*carriedStep{}
	for i := range out {
		if out[i].Asked == 0 {
			missing[out[i].ID] = &out[i]
		}
	}
	if len(missing) > 0 {
		_, err := x.Tape().Prev(ctx, from, lookedBack, func(ev sessionlog.Event) bool {
			if s := missing[ev.Step]; s != nil && ev.Kind == sessionlog.StepRequested {
				s.Asked = ev.Seq
				delete(missing, ev.Step)
			}
			return len(missing) == 0
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b carriedStep) int {
		if a.Asked != b.Asked {
			return int(int64(a.Asked) - int64(b.Asked))
		}
		return int(int64(a.first.Seq) - int64(b.first.Seq))
	})
	return out, nil
}

// silent reports whether the step, begun as b, had no output before the window.
func (s carriedStep) silent(b *block) bool {
	return b.held || s.first.Kind == sessionlog.StepDispatched || strings.HasPrefix(string(s.first.Kind), "approval.")
}

// later returns, in order, where the step's events after one and before another
// stand, as far as the index knows.
func (s carriedStep) later(after, before sessionlog.Seq) []sessionlog.Seq {
	seqs := append([]sessionlog.Seq{s.Dispatched, s.Started, s.Cancelled}, s.Gate...)
	seqs = slices.DeleteFunc(seqs, func(seq sessionlog.Seq) bool { return seq <= after || seq >= before })
	slices.Sort(seqs)
	return seqs
}

// carry begins the block of a step as it stood before from.
func (t *transcript) carry(ctx context.Context, tape *replay.Tape, s carriedStep, from sessionlog.Seq) error {
	if s.Asked == 0 {
		body := sessionlog.Requested{Command: "(a command from before what is shown here)"}
		ev := sessionlog.New(sessionlog.StepRequested, s.first.Actor, s.ID, body)
		ev.Time = s.first.Time
		t.apply(ev)
		t.byStep[s.ID].unknown, t.byStep[s.ID].command = true, ""
		return nil
	}
	evs, err := tape.Reader().Outline(ctx, s.Asked, aroundRequest)
	if err != nil {
		return fmt.Errorf("read outline: %w", err)
	}
	read := s.Asked
	if len(evs) > 0 {
		read = evs[len(evs)-1].Seq
	}
	for _, seq := range s.later(read, from) {
		ev, err := tape.Event(ctx, seq)
		if err != nil {
			return err
		}
		evs = append(evs, ev)
	}
	for _, ev := range evs {
		if ev.Step == s.ID && ev.Seq < from {
			t.apply(ev)
		}
	}
	return nil
}
