package sessionlog

import (
	"context"
	"fmt"
)

// A Receipt counts what a session did to its endpoint: the steps that ran, by their
// effect. What was refused, found no endpoint or was cancelled before it began is
// not in it.
type Receipt struct {
	Read, Probe, Change int
	// Shell counts command lines, and effects that are not known here.
	Shell int
	// Unsure counts steps of which nobody knows whether they ran, whatever their
	// effect. They are in no other count.
	Unsure int
}

// String says it as people read it: "23 reads, 4 probes, 12 shell, 0 changes".
func (r Receipt) String() string {
	plural := func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	s := fmt.Sprintf("%s, %s, %d shell, %s",
		plural(r.Read, "read", "reads"), plural(r.Probe, "probe", "probes"), r.Shell, plural(r.Change, "change", "changes"))
	if r.Unsure > 0 {
		s += fmt.Sprintf(", %d that may have run", r.Unsure)
	}
	return s
}

// Receipt returns what the session did so far.
func (s *State) Receipt() Receipt {
	var r Receipt
	for _, st := range s.Steps {
		r.count(st)
	}
	return r
}

func (r *Receipt) count(st *Step) {
	ran, unsure := st.Ran()
	switch {
	case unsure:
		r.Unsure++
	case !ran:
	case st.Request.Effect == EffectRead:
		r.Read++
	case st.Request.Effect == EffectProbe:
		r.Probe++
	case st.Request.Effect == EffectChange:
		r.Change++
	default:
		r.Shell++
	}
}

// A Tally makes a Receipt event by event. It holds nothing of steps that have ended.
// The zero value is ready.
type Tally struct {
	whole   bool
	running map[StepID]*Step
	ended   Receipt
}

// Add takes the next event. Output may be left out.
func (t *Tally) Add(ev Event) {
	switch {
	case ev.Kind == SessionOpened:
		t.whole = true
	case ev.Kind == StepRequested:
		st := &Step{ID: ev.Step, Size: map[Stream]int64{}}
		if t.running[ev.Step] != nil || ev.Decode(&st.Request) != nil {
			return
		}
		if t.running == nil {
			t.running = map[StepID]*Step{}
		}
		t.running[ev.Step] = st
	case ev.Kind != StepDispatched && ev.Kind != StepStarted && ev.Kind != StepEnded: // say nothing of it
	case t.running[ev.Step] != nil:
		st := t.running[ev.Step]
		if st.apply(ev); st.Ended != nil {
			t.ended.count(st)
			delete(t.running, ev.Step)
		}
	}
}

// Receipt returns what the session did so far. It is whole if the first event of the
// session was among those that were added.
func (t *Tally) Receipt() (r Receipt, whole bool) {
	r = t.ended
	for _, st := range t.running {
		r.count(st)
	}
	return r, t.whole
}

// Ran reports whether the step began on its endpoint, or that nobody knows.
func (st *Step) Ran() (ran, unsure bool) {
	switch {
	case !st.Started.IsZero():
		return true, false
	case st.Ended == nil:
		return false, st.Dispatched
	}
	switch st.Ended.State {
	case Refused, Offline:
		return false, false
	case OK, TimedOut:
		return true, false
	case Failed: // one that could not be started has no exit code either
		return st.Ended.Exit >= 0 || st.Ended.Signal != "", false
	case Cancelled: // by its agent, which says after how long, or before it was sent
		return st.Ended.Duration > 0, false
	}
	return false, st.Dispatched // lost, or something newer
}

// ReadReceipt returns what the session of a record did so far. It reads no output.
func ReadReceipt(ctx context.Context, r Reader) (Receipt, error) {
	var st State
	for {
		evs, err := r.Outline(ctx, st.Head+1, replayBatch)
		if err != nil {
			return Receipt{}, fmt.Errorf("read receipt: %w", err)
		}
		if len(evs) == 0 {
			return st.Receipt(), nil // the rest is output
		}
		for _, ev := range evs {
			st.Apply(ev)
		}
	}
}
