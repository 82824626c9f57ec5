package sshd

import (
	"io"
	"sync"
)

// maxInput is how much may be typed ahead.
const maxInput = 64 << 10

// An input is what a session's client sends, read on ahead by a goroutine of its
// own so that Ctrl-C is seen while nobody reads. It can be closed, which the
// session itself cannot be for its reader alone.
type input struct {
	interrupt func() // called on Ctrl-C while cooked

	mu     sync.Mutex // guards what follows
	ready  sync.Cond  // signalled when any of it changes
	buf    []byte
	cooked bool // behave as a terminal's line does: Ctrl-C, Ctrl-D, CR
	ended  bool // no more will come
	closed bool // nobody wants more
}

// newInput returns the input from r. Its goroutine ends when r does, which for a
// session is when its channel is closed by both sides.
func newInput(r io.Reader, cooked bool, interrupt func()) *input {
	in := &input{interrupt: interrupt, cooked: cooked}
	in.ready.L = &in.mu
	go in.pump(r)
	return in
}

func (in *input) pump(r io.Reader) {
	p := make([]byte, 4096)
	for {
		n, err := r.Read(p)
		in.put(p[:n])
		if err != nil {
			break
		}
	}
	in.mu.Lock()
	in.ended = true
	in.mu.Unlock()
	in.ready.Broadcast()
}

// put adds p to what can be read. It waits for room, but for none that is typed
// ahead on a terminal line: there what does not fit is lost, as it is there.
func (in *input) put(p []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(p) > 0 && !in.closed {
		if in.cooked {
			in.cook(p)
			break
		}
		if room := maxInput - len(in.buf); room > 0 {
			n := min(room, len(p))
			in.buf, p = append(in.buf, p[:n]...), p[n:]
			in.ready.Broadcast()
			continue
		}
		in.ready.Wait()
	}
	in.ready.Broadcast()
}

// cook adds p as a terminal's line would.
func (in *input) cook(p []byte) {
	for _, b := range p {
		switch {
		case b == 3:
			in.interrupt()
		case b == 4:
			in.ended = true
		case in.ended || len(in.buf) >= maxInput:
		case b == '\r':
			in.buf = append(in.buf, '\n')
		default:
			in.buf = append(in.buf, b)
		}
	}
}

// raw gives what follows as it is.
func (in *input) raw() {
	in.mu.Lock()
	in.cooked, in.ended, in.buf = false, false, nil
	in.mu.Unlock()
	in.ready.Broadcast()
}

// Read waits for input. Once the input is closed, or all is read, it returns
// io.EOF.
func (in *input) Read(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.buf) == 0 && !in.ended && !in.closed {
		in.ready.Wait()
	}
	if in.closed || len(in.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, in.buf)
	in.buf = in.buf[n:]
	in.ready.Broadcast()
	return n, nil
}

// Close ends the reading; what still comes is thrown away.
func (in *input) Close() {
	in.mu.Lock()
	in.closed, in.buf = true, nil
	in.mu.Unlock()
	in.ready.Broadcast()
}
