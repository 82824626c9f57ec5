package replay

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A MarkKind says what a Mark marks.
type MarkKind byte

// The marks, as a bar shows them.
const (
	Command MarkKind = 'c' // a step is requested
	Note    MarkKind = 'm'
	Trouble MarkKind = 'E' // a step did not end well, or output was left out
)

// Marks returns what an event marks, or 0.
func Marks(ev sessionlog.Event) MarkKind {
	switch ev.Kind {
	case sessionlog.StepRequested:
		return Command
	case sessionlog.NoteAdded:
		return Note
	case sessionlog.StepGap:
		return Trouble
	case sessionlog.StepEnded:
		var end sessionlog.Ended
		if ev.Decode(&end) != nil || end.State != sessionlog.OK || end.Exit != 0 {
			return Trouble
		}
	}
	return 0
}

// A Mark is a place that people look for.
type Mark struct {
	Spot
	Kind MarkKind
}

// A Step is where the events of a step stand that are not output; 0 where there
// is none.
type Step struct {
	ID                                           sessionlog.StepID
	Asked, Dispatched, Started, Cancelled, Ended sessionlog.Seq
	// Gate is where those about the gate before it stand, at most maxGate.
	Gate []sessionlog.Seq
}

// maxGate is the most events about one step's gate that an Index holds.
const maxGate = 32

// maxIndex is the most marks and the most steps that an Index holds.
const maxIndex = 100_000

// An Index is the marks and the steps of a record's beginning, as far as it was
// filled. It is filled from the outline, so output costs it nothing; it stops
// where it has 100,000 of either. Its methods may be called concurrently.
type Index struct {
	tape   *Tape
	filler chan struct{} // holds one token: whoever has it fills

	mu    sync.Mutex     // guards what follows
	upto  sessionlog.Seq // events up to this one are in
	full  bool
	marks []Mark
	steps []Step // in the order in which they were requested
	byID  map[sessionlog.StepID]int
	late  time.Duration // the latest time of any event
}

// NewIndex returns the empty Index of a record.
func NewIndex(t *Tape) *Index {
	x := &Index{tape: t, filler: make(chan struct{}, 1), byID: map[sessionlog.StepID]int{}}
	x.filler <- struct{}{}
	return x
}

// Tape returns the record's Tape.
func (x *Index) Tape() *Tape { return x.tape }

// Fill takes about n more events of the outline in, and reports whether there is
// more to take.
func (x *Index) Fill(ctx context.Context, n int) (more bool, err error) {
	select {
	case <-x.filler:
		defer func() { x.filler <- struct{}{} }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	for n > 0 {
		head, from := x.tape.r.Head().Seq, x.Upto()+1
		if from > head || x.isFull() {
			return false, nil
		}
		evs, err := x.tape.r.Outline(ctx, from, min(n, outlinePage))
		if err != nil {
			return false, fmt.Errorf("read outline: %w", err)
		}
		x.take(evs, head)
		n -= max(len(evs), 1)
	}
	return true, nil
}

// take takes events in; if there are none, there are none up to head.
func (x *Index) take(evs []sessionlog.Event, head sessionlog.Seq) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(evs) == 0 {
		x.upto = head
	}
	for _, ev := range evs {
		if len(x.marks) == maxIndex || len(x.steps) == maxIndex {
			x.full = true
			return
		}
		x.add(ev)
		x.upto = ev.Seq
	}
}

func (x *Index) add(ev sessionlog.Event) {
	spot := x.tape.At(ev)
	x.late = max(x.late, spot.At)
	if kind := Marks(ev); kind != 0 {
		x.marks = append(x.marks, Mark{spot, kind})
	}
	i, known := x.byID[ev.Step]
	switch {
	case ev.Kind == sessionlog.StepRequested && !known:
		x.byID[ev.Step] = len(x.steps)
		x.steps = append(x.steps, Step{ID: ev.Step, Asked: ev.Seq})
	case !known:
	case gates(ev.Kind):
		if s := &x.steps[i]; len(s.Gate) < maxGate {
			s.Gate = append(s.Gate, ev.Seq)
		}
	case ev.Kind == sessionlog.StepDispatched:
		x.steps[i].Dispatched = ev.Seq
	case ev.Kind == sessionlog.StepStarted:
		x.steps[i].Started = ev.Seq
	case ev.Kind == sessionlog.StepCancel:
		x.steps[i].Cancelled = ev.Seq
	case ev.Kind == sessionlog.StepEnded && x.steps[i].Ended == 0:
		x.steps[i].Ended = ev.Seq
	}
}

// gates reports whether events of a kind are about a gate.
func gates(k sessionlog.Kind) bool {
	switch k {
	case sessionlog.ApprovalRequested, sessionlog.ApprovalGranted, sessionlog.ApprovalDenied, sessionlog.ApprovalOverridden, sessionlog.ApprovalExpired,
		sessionlog.ApprovalReused, sessionlog.ApprovalWaived:
		return true
	}
	return false
}

// Upto returns the newest event up to which all are in.
func (x *Index) Upto() sessionlog.Seq {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.upto
}

func (x *Index) isFull() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.full
}

// Latest returns the latest time of an event that is in.
func (x *Index) Latest() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.late
}

// Marks returns the marks that are in, in order. The caller must not change them.
func (x *Index) Marks() []Mark {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.marks[:len(x.marks):len(x.marks)]
}

// Step returns what is known of a step; its ID is "" if nothing is.
func (x *Index) Step(id sessionlog.StepID) Step {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i, ok := x.byID[id]; ok {
		return x.steps[i]
	}
	return Step{}
}

// Running returns the newest steps, at most n, that were requested before an
// event and had not ended then, as far as the Index knows.
func (x *Index) Running(at sessionlog.Seq, n int) []Step {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []Step
	last := sort.Search(len(x.steps), func(i int) bool { return x.steps[i].Asked >= at })
	for i := last - 1; i >= 0 && len(out) < n; i-- {
		if s := x.steps[i]; s.Ended == 0 || s.Ended >= at {
			out = append(out, s)
		}
	}
	return out
}

// Next returns the next mark of some kinds after an event (by > 0) or the last one
// before it; its Seq is 0 if there is none. What the Index does not know it reads
// from the outline.
func (x *Index) Next(ctx context.Context, from sessionlog.Seq, by int, kinds ...MarkKind) (Spot, error) {
	is := func(k MarkKind) bool {
		for _, want := range kinds {
			if k == want {
				return true
			}
		}
		return false
	}
	marks, upto := x.Marks(), x.Upto()
	i := sort.Search(len(marks), func(i int) bool { return marks[i].Seq >= from })
	event := func(ev sessionlog.Event) bool { return is(Marks(ev)) }
	var ev sessionlog.Event
	var err error
	if by > 0 {
		for ; i < len(marks); i++ {
			if marks[i].Seq > from && is(marks[i].Kind) {
				return marks[i].Spot, nil
			}
		}
		ev, err = x.tape.Next(ctx, max(from, upto), event)
	} else {
		if from <= upto+1 {
			for i--; i >= 0 && !is(marks[i].Kind); i-- {
			}
			if i < 0 {
				return Spot{}, nil
			}
			return marks[i].Spot, nil
		}
		ev, err = x.tape.Prev(ctx, from, 0, event)
	}
	if err != nil || ev.Seq == 0 {
		return Spot{}, err
	}
	return x.tape.At(ev), nil
}
