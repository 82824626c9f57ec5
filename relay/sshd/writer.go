package sshd

import (
	"errors"
	"io"
	"sync"
	"time"
)

// maxUnsent is how much output may wait for a client that reads slowly: several
// full screens.
const maxUnsent = 4 << 20

// errStuck is why a session ends whose client does not read.
var errStuck = errors.New("the client does not read its output")

// A writer passes output on by a goroutine of its own, so that Write never
// waits: the interface paints while holding its locks, and must not stop for a
// client that does not read.
type writer struct {
	// Static after newWriter.
	to    io.Writer
	limit time.Duration
	stuck func() // called once, when one write lasts longer than limit
	wake  chan struct{}
	done  chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex // guards what follows
	buf    []byte     // not yet taken by the goroutine
	busy   bool       // the goroutine has taken something and not passed it on
	closed bool
	err    error
	empty  chan struct{} // closed while nothing waits
}

// newWriter returns a writer to to. stuck must lead to an error of to.Write.
func newWriter(to io.Writer, limit time.Duration, stuck func()) *writer {
	w := &writer{
		to: to, limit: limit, stuck: sync.OnceFunc(stuck),
		wake: make(chan struct{}, 1), done: make(chan struct{}), empty: make(chan struct{}),
	}
	close(w.empty)
	go w.pump()
	return w
}

// Write takes p and returns at once.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.err != nil || w.closed {
		defer w.mu.Unlock()
		return 0, errors.Join(io.ErrClosedPipe, w.err)
	}
	if len(w.buf)+len(p) > maxUnsent {
		w.err = errStuck
		w.mu.Unlock()
		go w.stuck() // it takes its time, and Write must not
		return 0, errStuck
	}
	if len(w.buf) == 0 && !w.busy {
		w.empty = make(chan struct{})
	}
	w.buf = append(w.buf, p...)
	w.mu.Unlock()
	w.poke()
	return len(p), nil
}

func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) pump() {
	defer close(w.done)
	var spare []byte
	for range w.wake {
		w.mu.Lock()
		taken := w.buf
		w.buf, spare = spare[:0], taken
		w.busy = len(taken) > 0
		closed := w.closed
		w.mu.Unlock()
		err := w.pass(taken)
		w.mu.Lock()
		w.busy = false
		if err != nil && w.err == nil {
			w.err = err
		}
		if w.err != nil {
			w.buf = nil
		}
		if len(w.buf) == 0 {
			w.settleLocked()
		}
		ended := w.err != nil || closed && len(w.buf) == 0
		w.mu.Unlock()
		if ended {
			return
		}
	}
}

// settleLocked says that nothing waits.
func (w *writer) settleLocked() {
	select {
	case <-w.empty:
	default:
		close(w.empty)
	}
}

// pass writes p in pieces, each with its own time limit.
func (w *writer) pass(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), 32<<10)
		timer := time.AfterFunc(w.limit, w.stuck)
		_, err := w.to.Write(p[:n])
		timer.Stop()
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// drain waits until everything is written, or for d.
func (w *writer) drain(d time.Duration) {
	w.mu.Lock()
	empty := w.empty
	w.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-empty:
	case <-w.done:
	case <-t.C:
	}
}

// close ends the goroutine once what waits is written, and refuses more.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.poke()
}
