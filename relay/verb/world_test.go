package verb

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// start is when the world of a test begins.
var start = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// A world is a relay with records in memory, whose endpoints do what a test says.
type world struct {
	eps []console.Endpoint
	// act plays an endpoint: it is called for each step, in a goroutine. If nil,
	// every command prints its own text and ends with 0.
	act func(s *step)
	// refuse is asked before each intent.
	refuse    func(in console.Intent) error
	people    []console.Technician
	tokens    []console.Token
	held      []console.Approval
	incidents []console.Incident
	checks    []check.Spec
	packs     []console.Pack

	wg sync.WaitGroup

	mu      sync.Mutex
	now     time.Time
	records map[sessionlog.SessionID]*record
	order   []sessionlog.SessionID
	intents []console.Intent
	looks   int // Readers that are open
	reads   int // events that they returned, but for outlines
}

type record struct {
	session console.Session
	evs     []sessionlog.Event
	grew    chan struct{}
	steps   map[sessionlog.StepID]*step
}

// A step is one command as its endpoint sees it.
type step struct {
	w       *world
	rec     *record
	id      sessionlog.StepID
	ep      console.Endpoint
	run     console.Run
	cancel  chan struct{}
	offsets map[sessionlog.Stream]int64
}

func newWorld(t testing.TB, names ...string) *world {
	w := &world{now: start, records: map[sessionlog.SessionID]*record{}}
	for _, path := range names {
		client, name, _ := strings.Cut(path, "/")
		w.eps = append(w.eps, console.Endpoint{
			ID: sessionlog.NewEndpointID(), Client: client, Name: name,
			Online: true, Since: start.Add(-90 * time.Minute), OS: "linux", Arch: "amd64", Labels: map[string]string{"role": strings.TrimRight(name, "0123456789")},
		})
	}
	t.Cleanup(w.wg.Wait)
	return w
}

func (w *world) append(rec *record, evs ...sessionlog.Event) sessionlog.Seq {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ev := range evs {
		w.now = w.now.Add(time.Second)
		ev.Seq, ev.Time = sessionlog.Seq(len(rec.evs)+1), w.now
		rec.evs = append(rec.evs, ev)
		rec.session.Events, rec.session.Last = ev.Seq, ev.Time
		if ev.Kind == sessionlog.SessionOpened {
			rec.session.Opened = ev.Time
		}
		if ev.Kind == sessionlog.SessionClosed {
			rec.session.Closed = ev.Time
		}
	}
	close(rec.grew)
	rec.grew = make(chan struct{})
	return rec.session.Events
}

func (s *step) out(stream sessionlog.Stream, text string) {
	c := sessionlog.Chunk{Stream: stream, Offset: s.offsets[stream], Data: []byte(text)}
	s.offsets[stream] += int64(len(text))
	s.w.append(s.rec, sessionlog.NewOutput(sessionlog.Agent(s.ep.Path()), s.id, c))
}

func (s *step) end(b sessionlog.Ended) {
	s.w.append(s.rec, sessionlog.New(sessionlog.StepEnded, sessionlog.Agent(s.ep.Path()), s.id, b))
}

func (s *step) exit(code int) {
	state := sessionlog.OK
	if code != 0 {
		state = sessionlog.Failed
	}
	s.end(sessionlog.Ended{State: state, Exit: code, Duration: 0.5})
}

func (w *world) Self() console.Self { return console.Self{Name: "ana", Key: "SHA256:x"} }

type roster struct{ eps []console.Endpoint }

func (r roster) Next(context.Context) (console.Changes, error) {
	return console.Changes{Endpoints: r.eps}, nil
}
func (roster) Close() error { return nil }

func (w *world) Directory(context.Context) (console.Roster, error) { return roster{w.eps}, nil }

type feed struct {
	w    *world
	rec  *record
	next int
}

func (f *feed) Next(ctx context.Context) ([]sessionlog.Event, error) {
	for {
		f.w.mu.Lock()
		evs, grew, sealed := f.rec.evs[min(f.next, len(f.rec.evs)):], f.rec.grew, !f.rec.session.Closed.IsZero()
		f.w.mu.Unlock()
		if len(evs) > 0 {
			f.next += len(evs)
			return evs, nil
		}
		if sealed {
			return nil, io.EOF
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (f *feed) Close() error { return nil }

func (w *world) Watch(_ context.Context, id sessionlog.SessionID, from sessionlog.Seq) (console.Feed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &feed{w: w, rec: w.records[id], next: int(from) - 1}, nil
}

func (w *world) Look(_ context.Context, id sessionlog.SessionID) (console.Reader, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	return &lookup{w: w, rec: w.records[id]}, nil
}

// A lookup is a record as a console.Reader, which counts what it is asked for.
type lookup struct {
	w   *world
	rec *record
}

func (l *lookup) Read(_ context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	evs := l.rec.evs[min(int(from)-1, len(l.rec.evs)):]
	evs = evs[:min(limit, len(evs))]
	l.w.reads += len(evs)
	return evs, nil
}

func (l *lookup) Outline(_ context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	var out []sessionlog.Event
	for _, ev := range l.rec.evs[min(int(from)-1, len(l.rec.evs)):] {
		if ev.Kind != sessionlog.StepOutput && len(out) < limit {
			out = append(out, ev)
		}
	}
	return out, nil
}

func (l *lookup) Head() sessionlog.Head {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return sessionlog.Head{Seq: l.rec.session.Events, Sealed: !l.rec.session.Closed.IsZero()}
}

func (l *lookup) Wait(context.Context, sessionlog.Seq) (sessionlog.Head, error) { return l.Head(), nil }

func (l *lookup) Close() error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.looks--
	return nil
}

func (w *world) Find(context.Context, console.TextQuery) (console.Found, error) {
	return console.Found{}, console.Errorf(console.CodeFailed, "", "no index here")
}

func (w *world) Technicians(context.Context) ([]console.Technician, error) {
	return w.people, nil
}

func (w *world) Tokens(context.Context) ([]console.Token, error) { return w.tokens, nil }

type inbox []console.Approval

func (in inbox) Next(context.Context) ([]console.Approval, error) { return in, nil }
func (inbox) Close() error                                        { return nil }

func (w *world) Inbox(context.Context) (console.Inbox, error) { return inbox(w.held), nil }

func (w *world) Packs(context.Context) ([]console.Pack, error) { return w.packs, nil }

func (w *world) Checks(context.Context, sessionlog.EndpointID) ([]check.Spec, error) {
	return w.checks, nil
}

func (w *world) Incidents(context.Context) ([]console.Incident, error) { return w.incidents, nil }

func (w *world) Policy(context.Context) (console.Policy, error) { return console.Policy{}, nil }

func (w *world) Record(context.Context, sessionlog.SessionID) (io.ReadCloser, error) {
	return nil, console.Errorf(console.CodeFailed, "", "no records here")
}

func (w *world) Search(_ context.Context, q console.Query) ([]console.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []console.Session
	for _, id := range w.order {
		s := w.records[id].session
		if strings.HasPrefix(string(id), string(q.ID)) && (q.Client == "" || q.Client == s.Client) &&
			(q.By == "" || q.By == s.Technician) && !s.Last.Before(q.Since) {
			out = append([]console.Session{s}, out...)
		}
	}
	if q.Limit > 0 {
		out = out[:min(len(out), q.Limit)]
	}
	return out, nil
}

func (w *world) Do(_ context.Context, in console.Intent) (console.Receipt, error) {
	w.mu.Lock()
	w.intents = append(w.intents, in)
	w.mu.Unlock()
	if w.refuse != nil {
		if err := w.refuse(in); err != nil {
			return console.Receipt{}, err
		}
	}
	switch in := in.(type) {
	case console.Open:
		return console.Receipt{Session: w.open(in.Endpoint).session.ID, Seq: 1}, nil
	case console.Run:
		return w.start(in), nil
	case console.Cancel:
		w.mu.Lock()
		defer w.mu.Unlock()
		close(w.records[in.Session].steps[in.Step].cancel)
	case console.Note:
		rec := w.records[in.Session]
		return console.Receipt{Seq: w.append(rec, sessionlog.New(sessionlog.NoteAdded, "technician:ana", "", sessionlog.Note{Text: in.Text}))}, nil
	case console.Close:
		return console.Receipt{Seq: w.append(w.records[in.Session], sessionlog.New(sessionlog.SessionClosed, "technician:ana", "", sessionlog.Closed{}))}, nil
	case console.NewToken:
		return console.Receipt{ID: "T1", Token: "caisey-token-secret"}, nil
	case console.AddTechnician:
		return console.Receipt{ID: "P1"}, nil
	}
	return console.Receipt{}, nil
}

func (w *world) open(id sessionlog.EndpointID) *record {
	w.mu.Lock()
	for _, sid := range w.order {
		if rec := w.records[sid]; rec.session.Endpoint == id && rec.session.Closed.IsZero() {
			w.mu.Unlock()
			return rec
		}
	}
	var ep console.Endpoint
	for _, e := range w.eps {
		if e.ID == id {
			ep = e
		}
	}
	rec := &record{grew: make(chan struct{}), steps: map[sessionlog.StepID]*step{}, session: console.Session{
		ID: sessionlog.NewSessionID(), Client: ep.Client, Endpoint: ep.ID, Name: ep.Name, Technician: "ana", Opened: w.now,
	}}
	w.records[rec.session.ID] = rec
	w.order = append(w.order, rec.session.ID)
	w.mu.Unlock()
	w.append(rec, sessionlog.New(sessionlog.SessionOpened, "technician:ana", "",
		sessionlog.Opened{Session: rec.session.ID, Client: ep.Client, Endpoint: ep.ID, Name: ep.Name, Technician: "ana"}))
	return rec
}

func (w *world) start(in console.Run) console.Receipt {
	w.mu.Lock()
	rec := w.records[in.Session]
	s := &step{w: w, rec: rec, id: in.Step, run: in, cancel: make(chan struct{}), offsets: map[sessionlog.Stream]int64{}}
	for _, e := range w.eps {
		if e.ID == rec.session.Endpoint {
			s.ep = e
		}
	}
	rec.steps[in.Step] = s
	w.mu.Unlock()
	seq := w.append(rec, sessionlog.New(sessionlog.StepRequested, "technician:ana", in.Step,
		sessionlog.Requested{Command: in.Command, Effect: sessionlog.EffectShell, Timeout: in.Timeout.Seconds()}))
	w.wg.Go(func() {
		if w.act == nil {
			s.out(sessionlog.Stdout, in.Command+"\n")
			s.exit(0)
			return
		}
		w.act(s)
	})
	return console.Receipt{Session: in.Session, Seq: seq}
}

// told is what a line printed and returned.
type told struct {
	code     int
	out, err string
}

// say runs line against w.
func (w *world) say(t *testing.T, line string, change ...func(*Call)) told {
	t.Helper()
	return w.sayCtx(t.Context(), line, change...)
}

func (w *world) sayCtx(ctx context.Context, line string, change ...func(*Call)) told {
	var out, errs bytes.Buffer
	c := Call{Line: line, Backend: w, Stdout: &out, Stderr: &errs, Now: func() time.Time { return start.Add(time.Hour) }}
	for _, f := range change {
		f(&c)
	}
	code := Run(ctx, c)
	return told{code, out.String(), errs.String()}
}
