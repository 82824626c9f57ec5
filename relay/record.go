package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A record is a [sessionlog.Log] whose file need not be open: what nobody uses is
// parked, and opened again by the next who reads or writes. To ask for the head and
// to wait for more takes no file. It counts its users.
type record struct {
	// Static.
	shelf  *shelf
	client string
	id     sessionlog.SessionID
	ready  chan struct{} // closed once it was opened for the first time, or err says why not
	gone   chan struct{} // closed once it is given up

	err error // static after ready

	refs int // guarded by shelf.mu; at 0 the record is given up

	mu    sync.Mutex           // guards what follows, once ready is closed; never held across I/O
	log   sessionlog.Log       // nil while it is parked, or opened, or closed
	head  sessionlog.Head      // while log is nil
	busy  chan struct{}        // not nil while log is opened or closed; closed after that
	moved chan struct{}        // if somebody waits for it: closed when log is opened or given up
	over  bool                 // given up
	calls int                  // that use log now
	used  time.Time            // when the newest call ended
	queue []*sessionlog.Commit // of units that may not be on disk, about in their order
}

var (
	_ sessionlog.Reader   = (*record)(nil)
	_ sessionlog.Appender = (*record)(nil)
)

func newRecord(s *shelf, client string, id sessionlog.SessionID) *record {
	return &record{shelf: s, client: client, id: id, refs: 1, ready: make(chan struct{}), gone: make(chan struct{})}
}

// Head implements sessionlog.Reader.
func (r *record) Head() sessionlog.Head {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.where()
}

// where returns the head. r.mu is held.
func (r *record) where() sessionlog.Head {
	if r.log != nil {
		return r.log.Head()
	}
	return r.head
}

// Submit implements sessionlog.Appender.
func (r *record) Submit(ctx context.Context, evs ...sessionlog.Event) (*sessionlog.Commit, error) {
	return use(ctx, r, func(log sessionlog.Log) (*sessionlog.Commit, error) {
		c, err := log.Submit(ctx, evs...)
		if err == nil {
			r.note(c)
		}
		return c, err
	})
}

// note remembers a commit until it is resolved.
func (r *record) note(c *sessionlog.Commit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue[r.resolved():], c)
}

// resolved counts the oldest commits that are resolved, and lets go of them. r.mu
// is held.
func (r *record) resolved() (n int) {
	for n < len(r.queue) && isDone(r.queue[n].Done()) {
		r.queue[n] = nil
		n++
	}
	return n
}

// Read implements sessionlog.Reader.
func (r *record) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	if r.ends(from) {
		return nil, nil
	}
	return use(ctx, r, func(log sessionlog.Log) ([]sessionlog.Event, error) { return log.Read(ctx, from, limit) })
}

// Outline implements sessionlog.Reader.
func (r *record) Outline(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	if r.ends(from) {
		return nil, nil
	}
	return use(ctx, r, func(log sessionlog.Log) ([]sessionlog.Event, error) { return log.Outline(ctx, from, limit) })
}

// ends reports whether a parked record has nothing from seq on: whoever follows a
// record looks there before it waits.
func (r *record) ends(seq sessionlog.Seq) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log == nil && r.busy == nil && !r.over && seq > r.head.Seq
}

// Wait implements sessionlog.Reader. Whoever waits does not keep the file open.
func (r *record) Wait(ctx context.Context, after sessionlog.Seq) (sessionlog.Head, error) {
	for {
		r.mu.Lock()
		log, head := r.log, r.where()
		switch {
		case head.Seq > after || head.Sealed:
			r.mu.Unlock()
			return head, nil
		case r.over:
			r.mu.Unlock()
			return head, sessionlog.ErrClosed
		}
		if r.moved == nil {
			r.moved = make(chan struct{})
		}
		moved := r.moved
		r.mu.Unlock()
		if log != nil {
			if head, err := log.Wait(ctx, after); !errors.Is(err, sessionlog.ErrClosed) {
				return head, err
			}
			r.mu.Lock()
			parked := r.log != log
			r.mu.Unlock()
			if !parked { // closed by somebody else: it does not come back by itself
				return head, sessionlog.ErrClosed
			}
			continue
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return head, context.Cause(ctx)
		}
	}
}

// A copier is a Log that is kept in a file.
type copier interface {
	Copy(ctx context.Context) (io.ReadCloser, error)
}

// Copy returns the bytes of the record's file.
func (r *record) Copy(ctx context.Context) (io.ReadCloser, error) {
	return use(ctx, r, func(log sessionlog.Log) (io.ReadCloser, error) {
		file, ok := log.(copier)
		if !ok {
			return nil, console.Errorf(console.CodeFailed, "", "this relay does not keep records in files")
		}
		return file.Copy(ctx)
	})
}

// use calls do with the open log, which stays open meanwhile.
func use[T any](ctx context.Context, r *record, do func(sessionlog.Log) (T, error)) (T, error) {
	log, err := r.enter(ctx)
	if err != nil {
		var none T
		return none, err
	}
	defer r.leave()
	return do(log)
}

// enter returns the log for one call, opened if need be.
func (r *record) enter(ctx context.Context) (sessionlog.Log, error) {
	for {
		r.mu.Lock()
		switch {
		case r.over:
			r.mu.Unlock()
			return nil, sessionlog.ErrClosed
		case r.log != nil:
			log := r.log
			r.calls++
			r.mu.Unlock()
			return log, nil
		case r.busy == nil:
			r.busy = make(chan struct{})
			r.mu.Unlock()
			return r.open(ctx)
		}
		busy := r.busy
		r.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// open opens a parked log for one call. If it cannot, the next call tries again.
func (r *record) open(ctx context.Context) (sessionlog.Log, error) {
	// Others wait for this, so it outlives its asker.
	log, err := r.shelf.records.Open(context.WithoutCancel(ctx), r.client, r.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.busy)
	r.busy = nil
	if err != nil {
		return nil, err
	}
	r.log, r.calls = log, 1
	r.wake()
	return log, nil
}

// wake has those who wait look again. r.mu is held.
func (r *record) wake() {
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}

// leave ends a call.
func (r *record) leave() {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls--
	r.used = now
}

// park closes the log if nobody has used it since before.
func (r *record) park(before time.Time) {
	r.mu.Lock()
	if !r.idle(before) {
		r.mu.Unlock()
		return
	}
	log := r.log
	r.head = log.Head() // all that was submitted is on disk
	r.log, r.queue, r.busy = nil, nil, make(chan struct{})
	r.mu.Unlock()
	_ = log.Close() // what is wrong with the file, whoever opens it next is told
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.busy)
	r.busy = nil
}

// idle reports whether the log is open, unused since before, and has nothing on its
// way to the disk. r.mu is held.
func (r *record) idle(before time.Time) bool {
	if r.log == nil || r.busy != nil || r.calls > 0 || r.used.After(before) {
		return false
	}
	r.queue = r.queue[r.resolved():]
	return len(r.queue) == 0
}

// release gives up one use; the last gives up the record.
func (r *record) release() {
	s := r.shelf
	s.mu.Lock()
	r.refs--
	last := r.refs == 0
	s.mu.Unlock()
	if !last {
		return
	}
	r.close()
	s.mu.Lock()
	delete(s.held, r.id)
	s.mu.Unlock()
	close(r.gone)
}

// close closes the log for good. Calls that are not over fail.
func (r *record) close() {
	r.mu.Lock()
	r.over = true
	for r.busy != nil { // the janitor parks it
		busy := r.busy
		r.mu.Unlock()
		<-busy
		r.mu.Lock()
	}
	log := r.log
	if log != nil {
		r.head, r.log = log.Head(), nil
	}
	r.wake()
	r.mu.Unlock()
	if log != nil {
		_ = log.Close() // all that was acknowledged is on disk already
	}
}
