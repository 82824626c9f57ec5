package agent

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/caisey/caisey/agent/spool"
)

// maxTail is the most that is kept of the end of a stream whose middle is left
// out.
const maxTail = 1 << 20

// An output puts what a command writes into the spool. Of a command that writes
// more than a limit it keeps the head, of both streams as they come, and the tail
// of each stream. The middle is read as fast as it comes, hashed, and left out.
type output struct {
	// Static.
	spool   *spool.Spool
	limited bool

	mu   sync.Mutex // guards what follows
	room int64      // what may still go into the head

	// Each owned by the reader of its stream, and by finish after those.
	tails [spool.Streams]tail
}

// newOutput returns an output that keeps at most limit bytes; 0 is all.
func newOutput(sp *spool.Spool, limit int64) *output {
	size := min(maxTail, limit/8)
	o := &output{spool: sp, limited: limit > 0, room: limit - spool.Streams*size}
	for i := range o.tails {
		o.tails[i].size = int(size)
	}
	return o
}

// put takes the next bytes of a stream. It blocks while the spool is full of
// what the relay has not recorded.
func (o *output) put(ctx context.Context, stream int, data []byte) error {
	if !o.limited {
		return o.spool.Append(ctx, stream, data)
	}
	t := &o.tails[stream-1]
	if !t.begun {
		n := o.take(data)
		if err := o.spool.Append(ctx, stream, data[:n]); err != nil {
			return err
		}
		if data = data[n:]; len(data) == 0 {
			return nil
		}
		t.begun = true
	}
	return t.write(data, func(out []byte) error { return o.spool.Skip(ctx, stream, out) })
}

// take returns how much of data goes into the head. The head ends with a line if
// there is one in data that ends.
func (o *output) take(data []byte) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := int(min(int64(len(data)), o.room))
	if n == len(data) {
		o.room -= int64(n)
		return n
	}
	if line := bytes.LastIndexByte(data[:n], '\n'); line >= 0 {
		n = line + 1
	}
	o.room = 0
	return n
}

// finish moves the tails into the spool. After an error it can be called again.
func (o *output) finish(ctx context.Context) error {
	for i := range o.tails {
		if err := o.finishStream(ctx, i+1, &o.tails[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *output) finishStream(ctx context.Context, stream int, t *tail) error {
	t.close()
	if len(t.torn) > 0 {
		if err := o.spool.Skip(ctx, stream, t.torn); err != nil {
			return err
		}
		t.torn = nil
	}
	for len(t.rest) > 0 {
		n := min(len(t.rest), spool.MaxRecord)
		if err := o.spool.AppendNow(ctx, stream, t.rest[:n]); err != nil {
			return err
		}
		t.rest = t.rest[n:]
	}
	t.rest = nil
	return nil
}

// A tail keeps the newest bytes of a stream.
type tail struct {
	size  int
	begun bool   // the head is complete
	buf   []byte // a ring once it is size bytes long
	at    int    // in buf, of the oldest byte of a ring
	lost  bool   // something fell out
	last  byte   // of that

	// Set by close.
	torn []byte // the end of a line that is not whole: it falls out too
	rest []byte
}

// write adds data, and hands what falls out to drop, in order.
func (t *tail) write(data []byte, drop func([]byte) error) error {
	fill := min(len(data), t.size-len(t.buf))
	t.buf, data = append(t.buf, data[:fill]...), data[fill:]
	for len(data) > 0 {
		n := min(len(data), len(t.buf)-t.at)
		out := data // of a ring without room
		if t.size > 0 {
			out = t.buf[t.at : t.at+n]
		}
		if err := drop(out); err != nil {
			return err
		}
		t.lost, t.last = true, out[len(out)-1]
		if t.size == 0 {
			return nil
		}
		copy(out, data)
		t.at, data = (t.at+n)%t.size, data[n:]
	}
	return nil
}

// close turns the ring into torn and rest. If something fell out, rest begins with
// a line, unless all that is left is one.
func (t *tail) close() {
	if len(t.buf) == 0 {
		return
	}
	t.rest = slices.Concat(t.buf[t.at:], t.buf[:t.at])
	if line := bytes.IndexByte(t.rest, '\n'); t.lost && t.last != '\n' && line >= 0 && line+1 < len(t.rest) {
		t.torn, t.rest = t.rest[:line+1], t.rest[line+1:]
	}
	t.buf, t.at = nil, 0
}
