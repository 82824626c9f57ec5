package sessionlog

import (
	"testing"
	"time"
)

func fold(evs ...Event) *State {
	var s State
	for i, ev := range evs {
		ev.Seq = Seq(i + 1)
		ev.Time = time.Unix(int64(i+1), 0)
		s.Apply(ev)
	}
	return &s
}

func TestState(t *testing.T) {
	chunk := func(s Stream, off int64, data string) Event {
		return NewOutput("agent:acme/db01", "A", Chunk{Stream: s, Offset: off, Data: []byte(data)})
	}
	s := fold(
		New(SessionOpened, Relay, "", Opened{Client: "acme", Name: "db01", Technician: "ana"}),
		New(StepRequested, "technician:ana", "A", Requested{Command: "ls", Effect: EffectShell}),
		New(StepDispatched, Relay, "A", nil),
		New(StepStarted, "agent:acme/db01", "A", Started{PID: 42}),
		New(StepRequested, "technician:bob", "B", Requested{Command: "id"}),
		chunk(Stdout, 0, "abc"), chunk(Stderr, 0, "e"), chunk(Stdout, 3, "de"),
		New(StepCancel, "technician:ana", "A", nil),
		New(StepEnded, "agent:acme/db01", "A", Ended{State: Cancelled, Exit: -1}),
		New(SessionClosed, Relay, "", Closed{}),
	)
	if s.Head != 11 || s.Opened.Technician != "ana" || s.Since.Unix() != 1 || s.Last.Unix() != 11 || s.Closed.Unix() != 11 {
		t.Errorf("session: %+v", s)
	}
	if len(s.Steps) != 2 || s.Steps[0] != s.Step("A") || s.Steps[1] != s.Step("B") || s.Step("C") != nil {
		t.Fatalf("steps: %+v", s.Steps)
	}
	a, b := s.Step("A"), s.Step("B")
	if a.Actor.Name() != "ana" || a.Request.Command != "ls" || !a.Dispatched || a.PID != 42 || a.Started.Unix() != 4 || !a.Cancel {
		t.Errorf("step A: %+v", a)
	}
	if a.Ended == nil || a.Ended.State != Cancelled || a.At.Unix() != 10 || a.Size[Stdout] != 5 || a.Size[Stderr] != 1 {
		t.Errorf("step A: %+v", a)
	}
	if b.Ended != nil || b.Dispatched || b.Cancel || len(b.Size) != 0 {
		t.Errorf("step B: %+v", b)
	}
}

// What a State does not understand changes nothing but Head and Last.
func TestStateKeepsWhatItHas(t *testing.T) {
	s := fold(
		New(StepRequested, "technician:ana", "A", Requested{Command: "first"}),
		New(StepRequested, "technician:bob", "A", Requested{Command: "second"}),
		New(StepEnded, Relay, "A", Ended{State: OK}),
		New(StepEnded, Relay, "A", Ended{State: Lost}),
		Event{Kind: StepStarted, Step: "A", Body: []byte(`{"pid":"x"}`)},
		New(StepEnded, Relay, "unknown", Ended{State: Lost}),
		Event{Kind: "later.kind", Step: "A", Body: []byte(`{"state":"failed"}`)},
	)
	st := s.Step("A")
	if len(s.Steps) != 1 || st.Request.Command != "first" || st.Ended.State != OK || !st.Started.IsZero() {
		t.Errorf("step: %+v", st)
	}
	if s.Head != 7 || s.Last.Unix() != 7 || !s.Closed.IsZero() {
		t.Errorf("state: %+v", s)
	}
}
