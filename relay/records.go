package relay

import (
	"context"
	"sync"

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
}

// A shelf shares open records between those who write them and those who read
// them, and closes each after its last user.
type shelf struct {
	records Records

	mu   sync.Mutex // guards what follows, and the refs of every record
	open map[sessionlog.SessionID]*record
}

// A record is an open log with a count of its users.
type record struct {
	sessionlog.Log
	shelf *shelf
	id    sessionlog.SessionID
	refs  int           // guarded by shelf.mu; at 0 the log is being closed
	ready chan struct{} // closed once Log or err is set
	gone  chan struct{} // closed once the log is closed
	err   error
}

func newShelf(records Records) *shelf {
	return &shelf{records: records, open: map[sessionlog.SessionID]*record{}}
}

// create makes a record and returns it with one user.
func (s *shelf) create(ctx context.Context, client string, id sessionlog.SessionID) (*record, error) {
	return s.take(id, func() (sessionlog.Log, error) { return s.records.Create(ctx, client, id) })
}

// get returns the record of a session, opened if need be, with one more user.
func (s *shelf) get(ctx context.Context, client string, id sessionlog.SessionID) (*record, error) {
	return s.take(id, func() (sessionlog.Log, error) {
		// Others may join the wait for this open, so it outlives its first asker.
		return s.records.Open(context.WithoutCancel(ctx), client, id)
	})
}

func (s *shelf) take(id sessionlog.SessionID, open func() (sessionlog.Log, error)) (*record, error) {
	r, first := s.use(id)
	if first {
		r.Log, r.err = open()
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
func (s *shelf) use(id sessionlog.SessionID) (r *record, first bool) {
	for {
		s.mu.Lock()
		r = s.open[id]
		if r == nil {
			r = &record{shelf: s, id: id, refs: 1, ready: make(chan struct{}), gone: make(chan struct{})}
			s.open[id] = r
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

// release gives up one use; the last closes the log.
func (r *record) release() {
	s := r.shelf
	s.mu.Lock()
	r.refs--
	last := r.refs == 0
	s.mu.Unlock()
	if !last {
		return
	}
	if r.Log != nil {
		_ = r.Log.Close() // all that was acknowledged is on disk already
	}
	s.mu.Lock()
	delete(s.open, r.id)
	s.mu.Unlock()
	close(r.gone)
}
