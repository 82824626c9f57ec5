package relay

import (
	"context"
	"sync"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// Records keeps session records on disk.
type Records interface {
	// Create makes the record of a new session.
	Create(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error)
	// Open opens a record that is there, sealed or not.
	Open(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error)
	// List names all records.
	List() ([]RecordName, error)
}

// A RecordName says where a record is kept.
type RecordName struct {
	Client string
	ID     sessionlog.SessionID
	// Archived says that it is compressed.
	Archived bool
	// Stamp changes with what the record holds. If empty, nobody can tell.
	Stamp string
}

// A shelf shares records between those who write them and those who read them,
// and gives each up after its last user.
type shelf struct {
	records Records

	mu   sync.Mutex // guards what follows, and the refs of every record
	held map[sessionlog.SessionID]*record
}

func newShelf(records Records) *shelf {
	return &shelf{records: records, held: map[sessionlog.SessionID]*record{}}
}

// create makes a record and returns it with one user.
func (s *shelf) create(ctx context.Context, client string, id sessionlog.SessionID) (*record, error) {
	return s.take(client, id, func() (sessionlog.Log, error) { return s.records.Create(ctx, client, id) })
}

// get returns the record of a session, opened if it was not held, with one more
// user.
func (s *shelf) get(ctx context.Context, client string, id sessionlog.SessionID) (*record, error) {
	return s.take(client, id, func() (sessionlog.Log, error) {
		// Others may join the wait for this open, so it outlives its first asker.
		return s.records.Open(context.WithoutCancel(ctx), client, id)
	})
}

func (s *shelf) take(client string, id sessionlog.SessionID, open func() (sessionlog.Log, error)) (*record, error) {
	r, first := s.use(client, id)
	if first {
		r.log, r.err = open()
		r.used = time.Now()
		close(r.ready)
	}
	<-r.ready
	if r.err != nil {
		r.release()
		return nil, r.err
	}
	return r, nil
}

// use returns the record with one more user; first says that this one opens it.
func (s *shelf) use(client string, id sessionlog.SessionID) (r *record, first bool) {
	for {
		s.mu.Lock()
		r = s.held[id]
		if r == nil {
			r = newRecord(s, client, id)
			s.held[id] = r
			s.mu.Unlock()
			return r, true
		}
		if r.refs > 0 {
			r.refs++
			s.mu.Unlock()
			return r, false
		}
		s.mu.Unlock()
		<-r.gone
	}
}

// park closes the files of the records that nobody has used since before, one
// after the other, until ctx ends.
func (s *shelf) park(ctx context.Context, before time.Time) {
	s.mu.Lock()
	all := make([]*record, 0, len(s.held))
	for _, r := range s.held {
		if isDone(r.ready) && r.err == nil && r.refs > 0 {
			all = append(all, r)
		}
	}
	s.mu.Unlock()
	for _, r := range all {
		if ctx.Err() != nil {
			return
		}
		r.park(before)
	}
}
