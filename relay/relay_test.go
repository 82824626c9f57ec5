package relay

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
)

// A world is a relay over records in memory, with agents that a test plays.
type world struct {
	t       *testing.T
	fleet   *fleet.Catalogue
	log     sessionlog.Log // the fleet's
	records *memory
	relay   *Relay
	db01    sessionlog.EndpointID // of staffed
}

func newWorld(t *testing.T, cfg Config) *world {
	t.Helper()
	fleetLog := logtest.NewMemory()
	catalogue, err := fleet.Open(t.Context(), fleetLog, fleet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, fleet: catalogue, log: fleetLog, records: &memory{logs: map[sessionlog.SessionID]*stored{}}}
	w.start(cfg)
	return w
}

// staffed returns a world in which technician ana has an open session on the
// connected endpoint acme/db01.
func staffed(t *testing.T, cfg Config) (*world, console.Backend, sessionlog.SessionID, *fakeLink) {
	t.Helper()
	w := newWorld(t, cfg)
	w.db01 = w.enroll("acme", "db01")
	ana := w.technician("ana", console.RoleTechnician)
	link := w.attach(w.db01)
	return w, ana, w.open(ana, w.db01), link
}

// start starts a relay on the world's records, as after a restart.
func (w *world) start(cfg Config) {
	w.t.Helper()
	cfg.Fleet, cfg.Records = w.fleet, w.records
	cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Mint = func() (string, [32]byte) { return "token", sha256.Sum256([]byte(rand.Text())) }
	r, err := New(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.relay = r
	w.t.Cleanup(r.Close)
}

// technician lets somebody in and returns the relay as they see it.
func (w *world) technician(name string, role console.Role, clients ...string) console.Backend {
	w.t.Helper()
	key, print := newKey(w.t)
	err := w.fleet.AddTechnician(w.t.Context(), sessionlog.Relay, console.AddTechnician{Name: name, Role: role, Clients: clients, Key: key})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.relay.Console(console.Self{Name: name, Key: print})
}

// enroll adds an endpoint.
func (w *world) enroll(client, name string) sessionlog.EndpointID {
	w.t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.enrollKey(client, name, pub)
}

// attach connects a fake agent.
func (w *world) attach(id sessionlog.EndpointID, steps ...sessionlog.StepID) *fakeLink {
	w.t.Helper()
	l := &fakeLink{calls: make(chan *fakeConv, 16), refused: make(chan struct{}, 64), gone: make(chan struct{})}
	detach := func() {}
	l.lose = sync.OnceFunc(func() { detach(); close(l.gone) })
	detach = w.relay.Attach(Arrival{Endpoint: id, Link: l, Transport: "quic", Steps: steps})
	return l
}

func (w *world) open(b console.Backend, id sessionlog.EndpointID) sessionlog.SessionID {
	w.t.Helper()
	rec, err := b.Do(w.t.Context(), console.Open{Endpoint: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return rec.Session
}

func (w *world) run(b console.Backend, session sessionlog.SessionID, command string) (sessionlog.StepID, console.Receipt) {
	w.t.Helper()
	id := sessionlog.NewStepID()
	rec, err := b.Do(w.t.Context(), console.Run{Session: session, Step: id, Command: command, Timeout: time.Minute})
	if err != nil {
		w.t.Fatal(err)
	}
	return id, rec
}

// await follows a session from seq until the step has ended, and returns all of
// the step's events.
func (w *world) await(b console.Backend, session sessionlog.SessionID, step sessionlog.StepID) []sessionlog.Event {
	w.t.Helper()
	feed, err := b.Watch(w.t.Context(), session, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	defer feed.Close()
	var out []sessionlog.Event
	for {
		evs, err := feed.Next(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, ev := range evs {
			if ev.Step != step {
				continue
			}
			if out = append(out, ev); ev.Kind == sessionlog.StepEnded {
				return out
			}
		}
	}
}

func ended(t *testing.T, evs []sessionlog.Event) sessionlog.Ended {
	t.Helper()
	var e sessionlog.Ended
	if err := evs[len(evs)-1].Decode(&e); err != nil {
		t.Fatal(err)
	}
	return e
}

func text(evs []sessionlog.Event, stream sessionlog.Stream) string {
	var b strings.Builder
	for _, ev := range evs {
		if ev.Chunk != nil && ev.Chunk.Stream == stream {
			b.Write(ev.Chunk.Data)
		}
	}
	return b.String()
}

func exitOK(out string) Exit {
	e := sessionlog.Ended{State: sessionlog.OK}
	if out != "" {
		sum := sha256.Sum256([]byte(out))
		e.Streams = []sessionlog.StreamTotal{{Stream: "stdout", Bytes: int64(len(out)), SHA256: hex.EncodeToString(sum[:])}}
	}
	return Exit{Ended: e}
}

func codeOf(err error) console.Code {
	var e *console.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// memory is Records in memory. Logs outlive Close, as files do.
type memory struct {
	mu   sync.Mutex
	logs map[sessionlog.SessionID]*stored
}

type stored struct {
	sessionlog.Log
	client string

	mu   sync.Mutex
	fail error           // of the next commit
	of   sessionlog.Kind // whose commit that is; if empty, output
	when chan struct{}   // it fails once this is closed; nil: at once
}

// Close keeps the log.
func (s *stored) Close() error { return nil }

// Submit fails once if the test said so, as a full disk does.
func (s *stored) Submit(ctx context.Context, evs ...sessionlog.Event) (*sessionlog.Commit, error) {
	s.mu.Lock()
	err, of := s.fail, cmp.Or(s.of, sessionlog.StepOutput)
	if err != nil && evs[0].Kind == of {
		s.fail = nil
		s.mu.Unlock()
		c := sessionlog.NewCommit()
		go func() {
			if s.when != nil {
				<-s.when
			}
			c.Resolve(sessionlog.Head{}, err)
		}()
		return c, nil
	}
	s.mu.Unlock()
	return s.Log.Submit(ctx, evs...)
}

func (m *memory) Create(_ context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logs[id] = &stored{Log: logtest.NewMemory(), client: client}
	return m.logs[id], nil
}

func (m *memory) Open(_ context.Context, _ string, id sessionlog.SessionID) (sessionlog.Log, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.logs[id], nil
}

func (m *memory) List() ([]RecordName, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []RecordName
	for id, s := range m.logs {
		names = append(names, RecordName{Client: s.client, ID: id})
	}
	return names, nil
}

// A fakeLink is an agent whose answers the test gives.
type fakeLink struct {
	calls   chan *fakeConv
	deaf    atomic.Bool   // opens no conversation
	refused chan struct{} // one for each that it did not open
	gone    chan struct{}
	lose    func()
}

func (l *fakeLink) Done() <-chan struct{} { return l.gone }
func (l *fakeLink) Close(string)          { l.lose() }

func (l *fakeLink) Open(_ context.Context, call Call) (Conversation, error) {
	if l.deaf.Load() {
		l.refused <- struct{}{}
		return nil, errors.New("no stream to be had")
	}
	c := &fakeConv{
		call: call, reports: make(chan Report), acks: make(chan ack, 64),
		cancelled: make(chan struct{}), settled: make(chan struct{}), closed: make(chan struct{}), link: l,
	}
	c.close = sync.OnceFunc(func() { close(c.closed) })
	select {
	case l.calls <- c:
		return c, nil
	case <-l.gone:
		return nil, errors.New("link is gone")
	}
}

type fakeConv struct {
	call      Call
	reports   chan Report
	acks      chan ack
	cancelled chan struct{} // closed by Cancel
	settled   chan struct{} // closed by Done
	closed    chan struct{}
	close     func()
	link      *fakeLink
}

var errHungUp = errors.New("agent hung up")

func (c *fakeConv) Recv() (Report, error) {
	select {
	case rep := <-c.reports:
		if rep == nil {
			return nil, errHungUp
		}
		return rep, nil
	case <-c.closed:
		return nil, errHungUp
	case <-c.link.gone:
		return nil, errHungUp
	}
}

func (c *fakeConv) Ack(stream sessionlog.Stream, offset int64) error {
	c.acks <- ack{stream: stream, offset: offset}
	return nil
}

func (c *fakeConv) Cancel() error { close(c.cancelled); return nil }
func (c *fakeConv) Done() error   { close(c.settled); return nil }
func (c *fakeConv) Close()        { c.close() }

// say has the agent say something.
func (c *fakeConv) say(reps ...Report) {
	for _, rep := range reps {
		select {
		case c.reports <- rep:
		case <-c.closed:
			return
		}
	}
}

func out(offset int64, data string) Output {
	return Output{Stream: sessionlog.Stdout, Offset: offset, Data: []byte(data)}
}

// awaitAck waits until the agent is told that stdout is recorded up to offset.
func (c *fakeConv) awaitAck(offset int64) {
	for k := range c.acks {
		if k.offset >= offset {
			return
		}
	}
}
