package tui

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/search"
)

// A finder is the search index of a world.
type finder struct {
	mu    sync.Mutex // guards what follows
	index *search.Index
	// before, if set, is called with each question; its error is the answer.
	before func(ctx context.Context, q console.TextQuery) error
	behind int
}

// Find answers from a real index, which reads all records first.
func (w *world) Find(ctx context.Context, q console.TextQuery) (console.Found, error) {
	w.finder.mu.Lock()
	before := w.finder.before
	w.finder.mu.Unlock()
	if before != nil {
		if err := before(ctx, q); err != nil {
			return console.Found{}, err
		}
	}
	index, behind, err := w.indexed(ctx)
	if err != nil {
		return console.Found{}, err
	}
	res, err := index.Find(ctx, search.Query{
		Text: q.Text, Clients: []string{"acme", "borealis"}, Client: q.Client, Technician: q.By, Since: q.Since, Until: q.Until, Limit: q.Limit,
	}, func(_ context.Context, _ string, id sessionlog.SessionID) (sessionlog.Reader, func(), error) {
		return w.session(id).log, func() {}, nil
	})
	if err != nil {
		return console.Found{}, err
	}
	found := console.Found{More: res.More, Behind: behind}
	for _, h := range res.Hits {
		found.Hits = append(found.Hits, console.Hit{
			Session: h.Session, Client: h.Client, Name: h.Endpoint, By: h.Technician, Step: h.Step, Seq: h.Seq,
			Time: h.Time, Kind: h.Kind, Stream: h.Stream.String(), Line: h.Line, Begin: h.Begin, End: h.End,
		})
	}
	return found, nil
}

// indexed returns the index after it has read all that is in the records.
func (w *world) indexed(ctx context.Context) (*search.Index, int, error) {
	w.mu.Lock()
	sessions := append([]*memorySession(nil), w.sessions...)
	w.mu.Unlock()
	f := &w.finder
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.index == nil {
		index, err := search.Open(filepath.Join(w.t.TempDir(), "search.db"), search.Config{})
		if err != nil {
			return nil, 0, err
		}
		f.index = index
		w.t.Cleanup(func() { index.Close() })
	}
	for _, s := range sessions {
		pos, err := f.index.Position(s.id)
		if err != nil {
			return nil, 0, err
		}
		evs, err := s.log.Read(ctx, pos+1, 10000)
		if err != nil {
			return nil, 0, err
		}
		of := search.Record{Session: s.id, Client: s.ep.Client, Endpoint: s.ep.Name, Technician: s.by}
		if len(evs) == 0 {
			continue
		}
		if err := f.index.Add(ctx, of, evs); err != nil {
			return nil, 0, err
		}
	}
	return f.index, f.behind, nil
}

// asked calls fn before each question is answered.
func (w *world) asked(fn func(ctx context.Context, q console.TextQuery) error) {
	w.finder.mu.Lock()
	defer w.finder.mu.Unlock()
	w.finder.before = fn
}
