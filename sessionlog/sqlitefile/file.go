package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/semaphore"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile/journal"
)

// Config says how the files of a Dir behave. The zero value is good.
type Config struct {
	// Clock tells the time of events that come without one. If nil, time.Now.
	Clock func() time.Time
	// Commits is the most commits in progress at once over all files: each
	// blocks an OS thread. If zero, 16.
	Commits int
	// Queue is the most bytes that wait to be written to one file. If zero,
	// 16 MiB. An event counts for its body, its output and 512 bytes more.
	Queue int64
	// Signer signs checkpoints of what is recorded. If nil, there are none.
	Signer note.Signer
	// Logf, if set, is told what went wrong where no caller waits for an answer.
	Logf func(format string, args ...any)

	synchronous string         // for tests: what PRAGMA synchronous is always set to; OFF is for the journal too
	journal     journal.Config // for tests
}

func (cfg Config) withDefaults() Config {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Commits == 0 {
		cfg.Commits = 16
	}
	if cfg.Queue == 0 {
		cfg.Queue = 16 << 20
	}
	if cfg.Logf == nil {
		cfg.Logf = func(string, ...any) {}
	}
	return cfg
}

// A File is one session's record: a [sessionlog.Log]. Its methods may be called
// concurrently.
type File struct {
	// Static after open.
	cfg     Config
	path    string
	name    string              // in the journal: CLIENT/ID
	host    *host               // what the files of a Dir share
	weight  *semaphore.Weighted // room in the queue
	wake    chan struct{}       // tells the writer that the queue changed
	stopped chan struct{}       // closed when the writer has ended
	quit    chan struct{}       // closed when Close begins
	onClose func()              // tells the Dir

	// fd keeps the file's locks: see the package comment. Closed last.
	fd *os.File

	w writer // owned by the writer goroutine

	// turn holds a token of whoever uses the file for writing, who owns what follows.
	turn     chan struct{}
	s        store
	unfilled bool // the last attempt to fill the file failed

	behind atomic.Bool // the journal waits for this record to be settled

	due, hurried bool // a filler will come; guarded by fillers.mu

	reader readerSlot

	mu      sync.Mutex // guards what follows; never held across I/O
	queue   []unit
	closing bool
	head    sessionlog.Head
	grew    chan struct{} // closed and replaced at every commit, and at Close
	tail    tail
	inFile  sessionlog.Seq // up to where the file has the events; the tail has the others

	pending      []*batch // what the journal has and the file has not
	pendingBytes int

	closeOnce sync.Once
	closeErr  error
}

var _ sessionlog.Log = (*File)(nil)

// openFile opens the record at path, whose header was read from fd. It takes
// ownership of fd, also if it fails.
func openFile(fd *os.File, path string, h *host, onClose func()) (*File, error) {
	f := &File{
		cfg: h.cfg, path: path, fd: fd, host: h, onClose: onClose,
		name:    filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), Ext),
		weight:  semaphore.NewWeighted(h.cfg.Queue),
		wake:    make(chan struct{}, 1),
		turn:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
		quit:    make(chan struct{}),
		grew:    make(chan struct{}),
	}
	if err := f.start(); err != nil {
		return nil, fmt.Errorf("open record %s: %w", path, errors.Join(err, f.release()))
	}
	return f, nil
}

func (f *File) start() error {
	h, err := readHeader(f.fd)
	if err != nil {
		return err
	}
	if !h.wal {
		if h, err = f.rollBack(); err != nil {
			return err
		}
	}
	f.reader.init(f.path)
	if !h.wal {
		return f.startSealed()
	}
	if err := f.s.open(f.path, f.cfg.synchronous, f.cfg.Signer); err != nil {
		return err
	}
	f.inFile = f.s.seq
	f.head = sessionlog.Head{Seq: f.s.seq, Sealed: f.s.sealed}
	if f.s.sealed { // the process died between the last commit and this
		if err := f.seal(); err != nil { // what was recorded can be read; the next Open tries again
			f.cfg.Logf("seal record %s: %v", f.path, err)
		}
		close(f.stopped)
		return nil
	}
	f.startWriter()
	return nil
}

// startWriter begins to write, after what the journal has.
func (f *File) startWriter() {
	f.w.landed = make(chan error, 1)
	f.w.encoder = encoder{
		ledger: ledger{seq: f.s.seq, next: map[streamKey]int64{}, load: f.loadEnd},
		clock:  f.cfg.Clock, hash: f.cfg.Signer != nil,
	}
	for _, b := range f.host.enter(f) {
		if b.last <= f.s.seq { // the file has it after all
			continue
		}
		f.keep(b, false)
		f.head.Seq, f.w.encoder.ledger.seq = b.last, b.last
		for _, ch := range b.grown {
			f.w.encoder.ledger.next[ch.key] = ch.off
		}
	}
	if f.pendingBytes > 0 || f.s.proof.pending() {
		f.host.fillers.add(f)
	}
	go f.write()
}

// startSealed opens a file that nobody will write any more.
func (f *File) startSealed() error {
	close(f.stopped)
	f.reader.immutable = true
	c, err := f.reader.get()
	if err != nil {
		return err
	}
	ev, err := lastEvent(c.conn)
	if err != nil {
		return err
	}
	if ev.Kind != sessionlog.SessionClosed {
		return fmt.Errorf("%w: file has no journal, but its last event is not %s", ErrNotRecord, sessionlog.SessionClosed)
	}
	f.head, f.inFile = sessionlog.Head{Seq: ev.Seq, Sealed: true}, ev.Seq
	return f.protect()
}

// Submit implements sessionlog.Appender.
func (f *File) Submit(ctx context.Context, evs ...sessionlog.Event) (*sessionlog.Commit, error) {
	if len(evs) == 0 {
		return nil, errors.New("record events: none given")
	}
	u := unit{evs: evs, weight: weigh(evs, f.cfg.Queue), commit: sessionlog.NewCommit()}
	if err := f.weight.Acquire(ctx, u.weight); err != nil {
		return nil, fmt.Errorf("record events: %w", context.Cause(ctx))
	}
	if err := f.enqueue(u); err != nil {
		f.weight.Release(u.weight)
		return nil, err
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return u.commit, nil
}

func (f *File) enqueue(u unit) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closing:
		return sessionlog.ErrClosed
	case f.head.Sealed:
		return sessionlog.ErrSealed
	}
	f.queue = append(f.queue, u)
	return nil
}

// Head implements sessionlog.Reader.
func (f *File) Head() sessionlog.Head {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head
}

// Wait implements sessionlog.Reader.
func (f *File) Wait(ctx context.Context, after sessionlog.Seq) (sessionlog.Head, error) {
	for {
		f.mu.Lock()
		head, grew, closing := f.head, f.grew, f.closing
		f.mu.Unlock()
		switch {
		case head.Seq > after || head.Sealed:
			return head, nil
		case closing:
			return head, sessionlog.ErrClosed
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return head, context.Cause(ctx)
		}
	}
}

// Close implements sessionlog.Log.
func (f *File) Close() error {
	f.closeOnce.Do(func() {
		close(f.quit)
		f.mu.Lock()
		f.closing = true
		f.signal()
		f.mu.Unlock()
		select {
		case f.wake <- struct{}{}:
		default:
		}
		<-f.stopped
		f.leave()
		if err := f.release(); err != nil {
			f.closeErr = fmt.Errorf("close record %s: %w", f.path, err)
		}
	})
	return f.closeErr
}

// signal wakes all who wait for a change. f.mu is held.
func (f *File) signal() {
	close(f.grew)
	f.grew = make(chan struct{})
}

// release closes all that f has open; the writer has ended, and a filler that still
// comes finds nothing to do.
func (f *File) release() error {
	f.turn <- struct{}{}
	err := errors.Join(f.reader.shut(), f.s.close(), f.fd.Close())
	<-f.turn
	if f.onClose != nil {
		f.onClose()
	}
	return err
}
