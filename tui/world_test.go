package tui

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/tui/replay"
)

// A world is a Backend over logs in memory. The test plays the endpoints.
type world struct {
	t *testing.T

	mu       sync.Mutex
	eps      []console.Endpoint
	version  int           // of eps
	grew     chan struct{} // closed and replaced when eps change
	sessions []*memorySession
	checks   []check.Spec
	refuse   error // what Do answers, if not nil
	done     []console.Intent
	finder   finder
	waiting  waiting
}

type memorySession struct {
	id   sessionlog.SessionID
	ep   console.Endpoint
	by   string
	log  *logtest.Memory
	offs map[string]int64
}

var noon = time.Date(2026, 11, 24, 14, 0, 0, 0, time.Local)

func newWorld(t *testing.T, names ...string) *world {
	w := &world{t: t, grew: make(chan struct{}), waiting: waiting{grew: make(chan struct{})}}
	for _, name := range names {
		w.eps = append(w.eps, console.Endpoint{
			ID: sessionlog.NewEndpointID(), Client: "acme", Name: name, Online: true, Since: noon,
			OS: "linux", Arch: "amd64", Host: name + ".lan", Version: "1.0", Transport: "quic", Labels: map[string]string{"tier": "one"},
		})
	}
	return w
}

func (w *world) Self() console.Self { return console.Self{Name: "ana", Key: "SHA256:x"} }

func (w *world) Directory(context.Context) (console.Roster, error) {
	return &worldRoster{w: w, seen: -1, closed: make(chan struct{})}, nil
}

type worldRoster struct {
	w      *world
	seen   int
	closed chan struct{}
}

func (r *worldRoster) Next(ctx context.Context) (console.Changes, error) {
	for {
		r.w.mu.Lock()
		eps, version, grew := slices.Clone(r.w.eps), r.w.version, r.w.grew
		r.w.mu.Unlock()
		if version != r.seen {
			r.seen = version
			return console.Changes{Endpoints: eps}, nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return console.Changes{}, context.Cause(ctx)
		}
	}
}

func (r *worldRoster) Close() error { return nil }

// change changes an endpoint.
func (w *world) change(i int, fn func(ep *console.Endpoint)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn(&w.eps[i])
	w.version++
	close(w.grew)
	w.grew = make(chan struct{})
}

func (w *world) Watch(ctx context.Context, id sessionlog.SessionID, from sessionlog.Seq) (console.Feed, error) {
	r, err := w.Look(ctx, id)
	if err != nil {
		return nil, err
	}
	return console.Follow(r, from), nil
}

func (w *world) Look(ctx context.Context, id sessionlog.SessionID) (console.Reader, error) {
	s := w.session(id)
	if s == nil {
		return nil, console.Errorf(console.CodeNotFound, "", "there is no session %s", id)
	}
	return replay.New(s.log).Look(ctx, id)
}

func (w *world) session(id sessionlog.SessionID) *memorySession {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (w *world) Technicians(context.Context) ([]console.Technician, error) { return nil, nil }

func (w *world) Tokens(context.Context) ([]console.Token, error) { return nil, nil }

func (w *world) Packs(context.Context) ([]console.Pack, error) { return nil, nil }

func (w *world) Checks(context.Context, sessionlog.EndpointID) ([]check.Spec, error) {
	return w.checks, nil
}

func (w *world) Incidents(context.Context) ([]console.Incident, error) { return nil, nil }

func (w *world) Policy(context.Context) (console.Policy, error) { return console.Policy{}, nil }

func (w *world) Record(context.Context, sessionlog.SessionID) (io.ReadCloser, error) {
	return nil, console.Errorf(console.CodeFailed, "", "no records here")
}

func (w *world) Search(ctx context.Context, q console.Query) ([]console.Session, error) {
	w.mu.Lock()
	all := slices.Clone(w.sessions)
	w.mu.Unlock()
	slices.Reverse(all)
	var out []console.Session
	for _, s := range all {
		found, err := replay.New(s.log).Search(ctx, q)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func (w *world) Do(ctx context.Context, in console.Intent) (console.Receipt, error) {
	w.mu.Lock()
	w.done = append(w.done, in)
	refuse := w.refuse
	w.mu.Unlock()
	if refuse != nil {
		return console.Receipt{}, refuse
	}
	switch in := in.(type) {
	case console.Open:
		return console.Receipt{Session: w.open(in.Endpoint, "ana").id, Seq: 1}, nil
	case console.Run:
		s := w.session(in.Session)
		s.add(w.t, sessionlog.New(sessionlog.StepRequested, sessionlog.Technician("ana"), in.Step,
			sessionlog.Requested{Command: in.Command, Effect: sessionlog.EffectShell}),
			sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, in.Step, nil),
			sessionlog.New(sessionlog.StepStarted, sessionlog.Agent(s.ep.Path()), in.Step, sessionlog.Started{PID: 7}))
		return console.Receipt{Session: in.Session}, nil
	case console.Ask:
		return w.ask(in)
	case console.Cancel:
		s := w.session(in.Session)
		s.add(w.t, sessionlog.New(sessionlog.StepCancel, sessionlog.Technician("ana"), in.Step, nil))
		s.end(w.t, in.Step, sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1, Duration: 2})
		return console.Receipt{Session: in.Session}, nil
	case console.Approve, console.Deny, console.Override:
		return console.Receipt{}, w.answered(in)
	}
	return console.Receipt{}, fmt.Errorf("intent %T", in)
}

// open returns the session of by on an endpoint, as Open does.
func (w *world) open(id sessionlog.EndpointID, by string) *memorySession {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		if s.ep.ID == id && s.by == by && !s.log.Head().Sealed {
			return s
		}
	}
	i := slices.IndexFunc(w.eps, func(ep console.Endpoint) bool { return ep.ID == id })
	s := &memorySession{id: sessionlog.NewSessionID(), ep: w.eps[i], by: by, log: logtest.NewMemory(), offs: map[string]int64{}}
	ev := sessionlog.New(sessionlog.SessionOpened, sessionlog.Technician(by), "",
		sessionlog.Opened{Session: s.id, Client: s.ep.Client, Endpoint: id, Name: s.ep.Name, Technician: by})
	ev.Time = noon
	s.add(w.t, ev)
	w.sessions = append(w.sessions, s)
	return s
}

// intents returns what was asked for so far.
func (w *world) intents() []console.Intent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.done)
}

// lastRun returns the newest step and its session.
func (w *world) lastRun() (*memorySession, sessionlog.StepID) {
	w.t.Helper()
	for _, in := range slices.Backward(w.intents()) {
		if r, ok := in.(console.Run); ok {
			return w.session(r.Session), r.Step
		}
	}
	w.t.Fatal("nothing was run")
	return nil, ""
}

func (s *memorySession) add(t *testing.T, evs ...sessionlog.Event) {
	if _, err := sessionlog.Append(context.Background(), s.log, evs...); err != nil {
		t.Errorf("append: %v", err)
	}
}

// put adds output of a step.
func (s *memorySession) put(t *testing.T, step sessionlog.StepID, stream sessionlog.Stream, text string) {
	key := string(step) + stream.String()
	s.add(t, sessionlog.NewOutput(sessionlog.Agent(s.ep.Path()), step,
		sessionlog.Chunk{Stream: stream, Offset: s.offs[key], Data: []byte(text)}))
	s.offs[key] += int64(len(text))
}

func (s *memorySession) end(t *testing.T, step sessionlog.StepID, e sessionlog.Ended) {
	s.add(t, sessionlog.New(sessionlog.StepEnded, sessionlog.Agent(s.ep.Path()), step, e))
}

// history records a sealed session of n commands, ten seconds apart.
func (w *world) history(i, n int, by string) *memorySession {
	s := w.open(w.eps[i].ID, by)
	at := noon
	timed := func(ev sessionlog.Event, d time.Duration) sessionlog.Event {
		at = at.Add(d)
		ev.Time = at
		return ev
	}
	for k := range n {
		step := sessionlog.NewStepID()
		s.add(w.t,
			timed(sessionlog.New(sessionlog.StepRequested, sessionlog.Technician(by), step, sessionlog.Requested{Command: fmt.Sprintf("cmd-%d", k)}), 7*time.Second),
			timed(sessionlog.New(sessionlog.StepStarted, sessionlog.Agent("a"), step, sessionlog.Started{PID: 1}), time.Second),
			timed(sessionlog.NewOutput("a", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: fmt.Appendf(nil, "out-%d\n", k)}), time.Second),
			timed(sessionlog.New(sessionlog.StepEnded, sessionlog.Agent("a"), step, sessionlog.Ended{State: sessionlog.OK, Duration: 2}), time.Second))
	}
	s.add(w.t, timed(sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{Why: "idle"}), time.Second))
	return s
}
