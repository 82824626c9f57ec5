package sessionlog

import "time"

// A Step is what is known of one step at some point of a session.
type Step struct {
	ID        StepID
	Seq       Seq // of the request
	Actor     Actor
	Requested time.Time
	Request   Requested
	// Held is the gate that the step had to wait at, if there is one.
	Held *Held
	// Dispatched says that the endpoint may have been told to start.
	Dispatched bool
	Started    time.Time // zero until the agent said so
	PID        int
	// Cancel says that somebody asked for an early end.
	Cancel bool
	Ended  *Ended
	At     time.Time // of the end
	// Size is how long each stream is so far: the only offset that may follow.
	Size map[Stream]int64
	// Left is how many of those bytes are not recorded but in gaps.
	Left int64
}

// State is the fold of a session's events. The zero value is the state before
// the first event.
type State struct {
	Head   Seq
	Opened Opened
	Since  time.Time // when the session was opened
	Last   time.Time // of the newest event
	Closed time.Time // zero while open
	// Incident is the one that the session belongs to, and Joined the event that says
	// so; zero if there is none.
	Incident Joined
	Joined   Seq
	// Steps are in the order in which they were requested.
	Steps []*Step

	byID map[StepID]*Step
}

// Step returns the step of that ID, or nil.
func (s *State) Step(id StepID) *Step { return s.byID[id] }

// Running reports whether a step has not ended.
func (s *State) Running() bool {
	for _, st := range s.Steps {
		if st.Ended == nil {
			return true
		}
	}
	return false
}

// Apply folds the next event in. Events must come in order, and output may be
// left out: then Size and Left say less; kinds and bodies
// that it does not understand change nothing but Head and Last.
func (s *State) Apply(ev Event) {
	s.Head, s.Last = ev.Seq, ev.Time
	switch ev.Kind {
	case SessionOpened:
		if ev.Decode(&s.Opened) == nil {
			s.Since = ev.Time
		}
	case SessionClosed:
		s.Closed = ev.Time
	case StepRequested:
		s.addStep(ev)
	case IncidentJoined:
		s.join(ev)
	default:
		if st := s.byID[ev.Step]; st != nil {
			st.apply(ev)
		}
	}
}

func (s *State) addStep(ev Event) {
	st := &Step{ID: ev.Step, Seq: ev.Seq, Actor: ev.Actor, Requested: ev.Time, Size: map[Stream]int64{}}
	if ev.Decode(&st.Request) != nil || s.byID[ev.Step] != nil {
		return
	}
	if s.byID == nil {
		s.byID = map[StepID]*Step{}
	}
	s.byID[ev.Step] = st
	s.Steps = append(s.Steps, st)
}

func (st *Step) apply(ev Event) {
	switch ev.Kind {
	case StepDispatched:
		st.Dispatched = true
	case StepStarted:
		var b Started
		if ev.Decode(&b) == nil {
			st.Started, st.PID = ev.Time, b.PID
		}
	case StepOutput:
		if ev.Chunk != nil {
			st.Size[ev.Chunk.Stream] = ev.Chunk.Offset + int64(len(ev.Chunk.Data))
		}
	case StepGap:
		st.applyGap(ev)
	case StepCancel:
		st.Cancel = true
	case ApprovalRequested, ApprovalGranted, ApprovalDenied, ApprovalOverridden, ApprovalExpired, ApprovalReused:
		st.hold(ev)
	case StepEnded:
		var b Ended
		if st.Ended == nil && ev.Decode(&b) == nil {
			st.Ended, st.At = &b, ev.Time
		}
	}
}

func (st *Step) applyGap(ev Event) {
	var b Gap
	if ev.Decode(&b) != nil {
		return
	}
	if stream, err := ParseStream(b.Stream); err == nil {
		st.Size[stream] = b.Offset + b.Bytes
		st.Left += b.Bytes
	}
}
