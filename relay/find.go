package relay

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/search"
)

// indexEvery is how often the index reads what is new in the records: it lags so
// that recording does not wait for it.
const indexEvery = time.Second

// indexRetry is how long a record is left alone that could not be read or indexed.
const indexRetry = time.Minute

// An indexer feeds the search index from the records.
type indexer struct {
	relay *Relay
	index *search.Index

	// Owned by the goroutine that runs.
	read  map[sessionlog.SessionID]sessionlog.Seq // how far, where known
	retry map[sessionlog.SessionID]time.Time      // not before, after an error
}

// run reads all records, and then what is new in them, until the relay stops.
func (x *indexer) run() {
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	for {
		behind := 0
		all := x.relay.summaries()
		for _, s := range all {
			if x.read[s.ID] < s.Events {
				behind++
			}
		}
		x.relay.behind.Store(int64(behind))
		for _, s := range all {
			if x.read[s.ID] >= s.Events || time.Now().Before(x.retry[s.ID]) {
				continue
			}
			if err := x.catchUp(s); errors.Is(err, search.ErrDamaged) || errors.Is(err, search.ErrClosed) {
				x.relay.cfg.Log.Error("search index given up until the relay starts again", "err", err)
				return
			} else if err != nil {
				if x.relay.ctx.Err() != nil {
					return
				}
				x.relay.cfg.Log.Error("record not searchable", "session", s.ID, "err", err)
				x.retry[s.ID] = time.Now().Add(indexRetry)
				continue
			}
			x.relay.behind.Add(-1)
		}
		select {
		case <-tick.C:
		case <-x.relay.ctx.Done():
			return
		}
	}
}

// indexBatch is the most events that the index takes in one commit.
const indexBatch = 4096

// catchUp reads a record from where the index stands to its head.
func (x *indexer) catchUp(s console.Session) error {
	ctx := x.relay.ctx
	at, known := x.read[s.ID]
	if !known {
		var err error
		if at, err = x.index.Position(s.ID); err != nil {
			return err
		}
		if at >= s.Events { // as after a restart: there is nothing to open it for
			x.read[s.ID] = at
			return nil
		}
	}
	rec, err := x.relay.shelf.get(ctx, s.Client, s.ID)
	if err != nil {
		return err
	}
	defer rec.release()
	of := search.Record{Session: s.ID, Client: s.Client, Endpoint: s.Name, Technician: s.Technician}
	for head := rec.Head().Seq; at < head; {
		evs, err := rec.Read(ctx, at+1, indexBatch)
		if err != nil {
			return err
		}
		if err := x.index.Add(ctx, of, evs); err != nil {
			return err
		}
		at = evs[len(evs)-1].Seq
	}
	x.read[s.ID] = at
	return nil
}

// summaries returns all sessions; one that is sealed meanwhile may be there twice.
func (r *Relay) summaries() []console.Session {
	live := r.live() // first: what is sealed from now on is found below
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]console.Session, 0, len(r.sealed)+len(live))
	for _, s := range live {
		all = append(all, s.summary())
	}
	for _, s := range r.sealed {
		all = append(all, s)
	}
	return all
}

// Find implements console.Backend.
func (b *backend) Find(ctx context.Context, q console.TextQuery) (console.Found, error) {
	index := b.relay.cfg.Index
	if index == nil {
		return console.Found{}, console.Errorf(console.CodeFailed, "", "this relay has no search index")
	}
	if !utf8.ValidString(q.Text) || strings.ContainsAny(q.Text, "\r\n") {
		return console.Found{}, console.Errorf(console.CodeUsage, "", "what to search for is one line of text")
	}
	q.Limit = min(q.Limit, maxHits)
	if q.Limit == 0 {
		q.Limit = 100
	}
	res, err := index.Find(ctx, search.Query{
		Text: q.Text, Clients: b.clients(), Client: q.Client, Technician: q.By, Since: q.Since, Until: q.Until, Limit: q.Limit,
		Only: b.relay.only(q.Incident),
	}, b.openFound)
	if err != nil {
		if errors.Is(err, search.ErrNoWord) {
			return console.Found{}, console.Errorf(console.CodeUsage, "", "%v", err)
		}
		return console.Found{}, b.relay.failure("search", err)
	}
	for _, err := range res.Skipped {
		b.relay.cfg.Log.Warn("search passed over a record", "err", err)
	}
	if err := b.viewHits(ctx, res.Hits); err != nil {
		return console.Found{}, err
	}
	found := console.Found{More: res.More, Behind: int(b.relay.behind.Load())}
	for _, h := range res.Hits {
		hit := console.Hit{
			Session: h.Session, Client: h.Client, Name: h.Endpoint, By: h.Technician, Step: h.Step, Seq: h.Seq,
			Time: h.Time, Kind: h.Kind, Line: h.Line, Begin: h.Begin, End: h.End,
		}
		if h.Kind == sessionlog.StepOutput {
			hit.Stream = h.Stream.String()
		}
		found.Hits = append(found.Hits, hit)
	}
	return found, nil
}

// only returns the sessions of an incident; nil if there is none to narrow to.
func (r *Relay) only(id sessionlog.IncidentID) map[sessionlog.SessionID]bool {
	if id == "" {
		return nil
	}
	only := map[sessionlog.SessionID]bool{}
	for _, s := range r.summaries() {
		if s.Incident == id {
			only[s.ID] = true
		}
	}
	return only
}

// maxHits is the most hits of one search.
const maxHits = 1000

// viewHits records that the person gets to see lines of these records.
func (b *backend) viewHits(ctx context.Context, hits []search.Hit) error {
	for _, h := range hits {
		s, live, err := b.find(h.Session)
		if err != nil {
			return err
		}
		if err := b.view(ctx, s, live); err != nil {
			return err
		}
	}
	return nil
}

// clients returns the clients whose records the person may see.
func (b *backend) clients() []string {
	seen := map[string]bool{}
	var may []string
	for _, s := range b.relay.summaries() {
		if !seen[s.Client] {
			seen[s.Client] = true
			if b.may(console.RoleViewer, s.Client) {
				may = append(may, s.Client)
			}
		}
	}
	return may
}

func (b *backend) openFound(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Reader, func(), error) {
	rec, err := b.relay.shelf.get(ctx, client, id)
	if err != nil {
		return nil, nil, err
	}
	return rec, rec.release, nil
}
