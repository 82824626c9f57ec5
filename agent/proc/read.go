package proc

import (
	"errors"
	"os"
	"sync"
	"time"
)

var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// read hands all of a pipe to the sink. It is the only reader of r.
func (p *Process) read(stream int, r *os.File) {
	buf := buffers.Get().(*[readSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := r.Read(buf[:])
		if n > 0 && !p.put(stream, buf[:n]) {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.readRest(stream, r, buf[:])
			return
		}
		if err != nil {
			return
		}
	}
}

// readRest hands over what lies in a pipe that somebody outside the group still
// holds, and waits for no more.
func (p *Process) readRest(stream int, r *os.File, buf []byte) {
	if r.SetReadDeadline(time.Time{}) != nil {
		return
	}
	for left := 1 << 20; left > 0; { // a pipe holds less: who holds it may be writing
		n := readNow(r, buf)
		if n <= 0 || !p.put(stream, buf[:n]) {
			return
		}
		left -= n
	}
}

// put hands data to the sink. If the sink fails, the command is killed and the
// pipe is read no more.
func (p *Process) put(stream int, data []byte) bool {
	err := p.sink(stream, data)
	if err == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outcome == 0 {
		p.outcome, p.why = Failed, "its output could not be kept: "+err.Error()
	}
	p.killLocked()
	return false
}

// drain waits until the pipes are read to their ends. The group is dead by now;
// whoever still holds a pipe is killed if it belongs to this step, and let go
// of otherwise.
func (p *Process) drain() {
	read := make(chan struct{})
	go func() { p.readers.Wait(); close(read) }()
	grace := time.NewTimer(pipeGrace)
	defer grace.Stop()
	select {
	case <-read:
		return
	case <-grace.C:
	}
	killHolders(p.ident)
	grace.Reset(pipeGrace)
	select {
	case <-read:
		return
	case <-grace.C:
	}
	for _, r := range p.pipes {
		if r.SetReadDeadline(time.Now()) != nil {
			_ = r.Close() // no deadlines on this system's pipes
		}
	}
	<-read // a reader may still wait for its sink, as long as that takes
}
