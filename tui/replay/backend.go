package replay

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// countAtOnce is about how many events one look at the session counts.
const countAtOnce = 4096

// New returns a Backend that serves one record and does nothing. The record may
// still grow; its owner closes it.
func New(record sessionlog.Reader) console.Backend {
	return &backend{record: record}
}

type backend struct {
	record sessionlog.Reader

	mu    sync.Mutex // guards state
	state sessionlog.State
}

// Self names nobody: whoever has the file may look at it.
func (b *backend) Self() console.Self { return console.Self{Name: "replay"} }

// Directory returns the one endpoint that the record is of, as not online.
func (b *backend) Directory(ctx context.Context) (console.Roster, error) {
	s, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	ep := console.Endpoint{ID: s.Endpoint, Client: s.Client, Name: s.Name, Since: s.Last}
	return &roster{first: []console.Endpoint{ep}, done: make(chan struct{})}, nil
}

// Watch serves the record's events from from on.
func (b *backend) Watch(ctx context.Context, id sessionlog.SessionID, from sessionlog.Seq) (console.Feed, error) {
	r, err := b.Look(ctx, id)
	if err != nil {
		return nil, err
	}
	return console.Follow(r, from), nil
}

// Look implements console.Backend.
func (b *backend) Look(ctx context.Context, id sessionlog.SessionID) (console.Reader, error) {
	s, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	if id != s.ID {
		return nil, console.Errorf(console.CodeNotFound, "", "there is no session %.40s in this file", id)
	}
	return reader{b.record}, nil
}

// A reader leaves the record open: it belongs to whoever made the Backend.
type reader struct{ sessionlog.Reader }

func (reader) Close() error { return nil }

// Do refuses: a record is only looked at.
func (b *backend) Do(context.Context, console.Intent) (console.Receipt, error) {
	return console.Receipt{}, console.Errorf(console.CodeRefused, "connect to a relay to run commands", "a replay is read-only")
}

// Search returns the one session, if q means it.
func (b *backend) Search(ctx context.Context, q console.Query) ([]console.Session, error) {
	s, err := b.session(ctx)
	switch {
	case err != nil:
		return nil, err
	case !strings.HasPrefix(string(s.ID), string(q.ID)),
		q.Client != "" && q.Client != s.Client,
		q.By != "" && q.By != s.Technician,
		s.Last.Before(q.Since):
		return nil, nil
	}
	return []console.Session{s}, nil
}

// Find refuses: there is no index.
func (b *backend) Find(context.Context, console.TextQuery) (console.Found, error) {
	return console.Found{}, console.Errorf(console.CodeUsage, "connect to a relay to search", "a replay has no search index")
}

// Technicians returns nobody: a record has no people to administer.
func (b *backend) Technicians(context.Context) ([]console.Technician, error) { return nil, nil }

// Inbox refuses: nothing waits in a record.
func (b *backend) Inbox(context.Context) (console.Inbox, error) {
	return nil, console.Errorf(console.CodeUsage, "connect to a relay", "a replay has no approvals")
}

// Incidents returns none: a record is of one session.
// Packs implements console.Backend: a record can not be asked.
func (b *backend) Packs(context.Context) ([]console.Pack, error) { return nil, nil }

// Checks implements console.Backend: a record can not be asked.
func (b *backend) Checks(context.Context, sessionlog.EndpointID) ([]check.Spec, error) {
	return nil, nil
}

func (b *backend) Incidents(context.Context) ([]console.Incident, error) { return nil, nil }

// Policy refuses: a record has none.
func (b *backend) Policy(context.Context) (console.Policy, error) {
	return console.Policy{}, console.Errorf(console.CodeUsage, "connect to a relay", "a replay has no policy")
}

// Tokens returns none.
func (b *backend) Tokens(context.Context) ([]console.Token, error) { return nil, nil }

// Record refuses: whoever has the record has its file.
func (b *backend) Record(context.Context, sessionlog.SessionID) (io.ReadCloser, error) {
	return nil, console.Errorf(console.CodeUsage, "take the file itself", "a replay has no copies of a record")
}

// session returns the record's session as a list shows it. At each call it folds
// some more of the outline of a long record: until all is folded, Steps and
// Running are of its beginning.
func (b *backend) session(ctx context.Context) (console.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	head := b.record.Head().Seq
	for n := 0; b.state.Head < head && n < countAtOnce; {
		evs, err := b.record.Outline(ctx, b.state.Head+1, outlinePage)
		if err != nil {
			return console.Session{}, fmt.Errorf("read record: %w", err)
		}
		for _, ev := range evs {
			b.state.Apply(ev)
		}
		if len(evs) == 0 {
			b.state.Head = head
		}
		n += len(evs)
	}
	st := &b.state
	s := console.Session{
		ID: st.Opened.Session, Client: st.Opened.Client, Endpoint: st.Opened.Endpoint, Name: st.Opened.Name,
		Technician: st.Opened.Technician, Opened: st.Since,
		Events: head, Steps: len(st.Steps),
	}
	last, err := b.record.Read(ctx, head, 1)
	if err != nil {
		return console.Session{}, fmt.Errorf("read record: %w", err)
	}
	for _, ev := range last {
		if s.Last = ev.Time; ev.Kind == sessionlog.SessionClosed {
			s.Closed = ev.Time
		}
	}
	for _, step := range st.Steps {
		if step.Ended == nil {
			s.Running++
		}
	}
	return s, nil
}

// A roster tells of its endpoints once and then waits until it is closed.
type roster struct {
	first []console.Endpoint
	once  sync.Once
	done  chan struct{}
}

func (r *roster) Next(ctx context.Context) (console.Changes, error) {
	if r.first != nil {
		ch := console.Changes{Endpoints: r.first}
		r.first = nil
		return ch, nil
	}
	select {
	case <-r.done:
		return console.Changes{}, console.ErrClosed
	case <-ctx.Done():
		return console.Changes{}, context.Cause(ctx)
	}
}

func (r *roster) Close() error {
	r.once.Do(func() { close(r.done) })
	return nil
}
