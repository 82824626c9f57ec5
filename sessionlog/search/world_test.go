package search_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/sessionlog/search"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A world is records in memory and an index of them.
type world struct {
	t     testing.TB
	path  string
	cfg   search.Config
	index *search.Index
	logs  map[sessionlog.SessionID]*logtest.Memory
	recs  map[sessionlog.SessionID]search.Record
	now   time.Time
	opens []string // clients whose records were opened
}

func newWorld(t testing.TB, cfg search.Config) *world {
	w := &world{
		t: t, path: filepath.Join(t.TempDir(), "search.db"), cfg: cfg, now: start,
		logs: map[sessionlog.SessionID]*logtest.Memory{}, recs: map[sessionlog.SessionID]search.Record{},
	}
	w.reopen()
	return w
}

func (w *world) reopen() {
	w.t.Helper()
	if w.index != nil {
		if err := w.index.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	x, err := search.Open(w.path, w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.index = x
	w.t.Cleanup(func() { x.Close() })
}

func (w *world) session(client, technician string) sessionlog.SessionID {
	id := sessionlog.NewSessionID()
	w.logs[id] = logtest.NewMemory()
	w.recs[id] = search.Record{Session: id, Client: client, Endpoint: "db01", Technician: technician}
	return id
}

// append records events, a second apart.
func (w *world) append(id sessionlog.SessionID, evs ...sessionlog.Event) {
	w.t.Helper()
	for i := range evs {
		w.now = w.now.Add(time.Second)
		evs[i].Time = w.now
	}
	c, err := w.logs[id].Submit(w.t.Context(), evs...)
	if err == nil {
		_, err = c.Wait(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// catchUp gives the index what it has not read, batch events an Add.
func (w *world) catchUp(id sessionlog.SessionID, batch int) {
	w.t.Helper()
	for {
		pos, err := w.index.Position(id)
		if err != nil {
			w.t.Fatal(err)
		}
		evs, err := w.logs[id].Read(w.t.Context(), pos+1, batch)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(evs) == 0 {
			return
		}
		if err := w.index.Add(w.t.Context(), w.recs[id], evs); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) open(_ context.Context, client string, id sessionlog.SessionID) (sessionlog.Reader, func(), error) {
	w.opens = append(w.opens, client)
	log := w.logs[id]
	if log == nil {
		return nil, nil, errors.New("record is gone")
	}
	return log, func() {}, nil
}

func (w *world) find(q search.Query) search.Result {
	w.t.Helper()
	if q.Clients == nil {
		q.Clients = []string{"acme", "umbrella"}
	}
	res, err := w.index.Find(w.t.Context(), q, w.open)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range res.Hits {
		if h.Begin < 0 || h.End <= h.Begin || h.End > len(h.Line) || len(h.Line) > 200 || strings.ContainsAny(h.Line, "\r\n") {
			w.t.Errorf("find %q: bad hit %+v", q.Text, h)
		}
	}
	return res
}

// lines returns the lines of the hits of text.
func (w *world) lines(text string) []string {
	w.t.Helper()
	var out []string
	for _, h := range w.find(search.Query{Text: text}).Hits {
		out = append(out, h.Line)
	}
	return out
}

func requested(step sessionlog.StepID, command string) sessionlog.Event {
	return sessionlog.New(sessionlog.StepRequested, sessionlog.Technician("ana"), step, sessionlog.Requested{Command: command})
}

func ended(step sessionlog.StepID) sessionlog.Event {
	return sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, step, sessionlog.Ended{State: sessionlog.OK})
}

func note(text string) sessionlog.Event {
	return sessionlog.New(sessionlog.NoteAdded, sessionlog.Technician("ana"), "", sessionlog.Note{Text: text})
}

// output returns the events of a step that prints the pieces.
func output(step sessionlog.StepID, stream sessionlog.Stream, pieces ...string) []sessionlog.Event {
	var evs []sessionlog.Event
	var off int64
	for _, p := range pieces {
		evs = append(evs, sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{Stream: stream, Offset: off, Data: []byte(p)}))
		off += int64(len(p))
	}
	return evs
}

// fixed is a Reader of events as they are, which no Log would take.
type fixed []sessionlog.Event

func (f fixed) Head() sessionlog.Head { return sessionlog.Head{Seq: sessionlog.Seq(len(f))} }
func (f fixed) Read(_ context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	evs := f[min(int(from)-1, len(f)):]
	return evs[:min(limit, len(evs))], nil
}

func (f fixed) Outline(context.Context, sessionlog.Seq, int) ([]sessionlog.Event, error) {
	return nil, errors.ErrUnsupported
}

func (f fixed) Wait(context.Context, sessionlog.Seq) (sessionlog.Head, error) { return f.Head(), nil }
