package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// maxWindow is the most that a Reader reads at once.
const maxWindow = 128 << 10

// ErrGone says that output was asked for that was acknowledged and deleted.
var ErrGone = errors.New("output was acknowledged and is gone")

// A Reader reads a spool from a position forward. It belongs to one goroutine.
type Reader struct {
	s    *Spool
	next [Streams]int64 // the first byte wanted of each stream

	number int // of the segment that is read
	file   *os.File
	pos    int64  // in the segment, of the first byte of window
	window []byte // what is read and not yet parsed
	buf    []byte // the window is in it
	ended  bool
}

// NewReader returns a Reader of what follows the offsets from, in the order of
// writing. It must be closed.
func (s *Spool) NewReader(from [Streams]int64) (*Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, off := range from {
		if off < s.segs[0].start[i] {
			return nil, fmt.Errorf("read stream %d from %d: %w", i+1, off, ErrGone)
		}
		if off > s.total[i] {
			return nil, fmt.Errorf("read stream %d from %d: there are only %d bytes", i+1, off, s.total[i])
		}
	}
	at := 0
	for at+1 < len(s.segs) && covers(from, s.segs[at+1].start) {
		at++
	}
	return &Reader{s: s, next: from, number: s.segs[at].number}, nil
}

// Poll returns the next record if there is one now. Its data is good until the
// next Poll.
func (r *Reader) Poll() (rec Record, ok bool, err error) {
	for {
		rec, size, err := parseRecord(r.window)
		if errors.Is(err, errShort) {
			more, err := r.fill()
			if err != nil {
				return Record{}, false, fmt.Errorf("read spool: %w", err)
			}
			if !more {
				return Record{}, false, nil
			}
			continue
		}
		if err != nil {
			return Record{}, false, fmt.Errorf("read spool at %d of segment %d: %w", r.pos, r.number, err)
		}
		r.window, r.pos = r.window[size:], r.pos+int64(size)
		if r.take(&rec) {
			return rec, true, nil
		}
	}
}

// take cuts off what is not wanted of rec and says whether anything is left.
func (r *Reader) take(rec *Record) bool {
	switch rec.kind {
	case kindHead:
		return false
	case kindEnd:
		r.ended = true
		return true
	}
	next := &r.next[rec.Stream-1]
	if rec.kind == kindGap {
		end := rec.Offset + rec.Gap
		if end <= *next {
			return false
		}
		rec.Offset, rec.Gap, rec.Data = max(rec.Offset, *next), end-max(rec.Offset, *next), nil
		*next = end
		return true
	}
	if end := rec.Offset + int64(len(rec.Data)); end <= *next {
		return false
	}
	if skip := *next - rec.Offset; skip > 0 {
		rec.Data, rec.Offset = rec.Data[skip:], *next
	}
	*next = rec.Offset + int64(len(rec.Data))
	return true
}

// Wait waits until Poll may have more.
func (r *Reader) Wait(ctx context.Context) error {
	s := r.s
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("read spool: %w", fs.ErrClosed)
	}
	last := s.segs[len(s.segs)-1]
	if last.number > r.number || last.size > r.pos+int64(len(r.window)) {
		s.mu.Unlock()
		return nil
	}
	grew := waitOn(&s.grew)
	s.mu.Unlock()
	select {
	case <-grew:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fill reads more into the window, from the next segment if this one is read.
func (r *Reader) fill() (more bool, err error) {
	size, next := r.extent()
	end := r.pos + int64(len(r.window))
	if end == size {
		if next == 0 {
			return false, nil
		}
		if len(r.window) > 0 {
			return false, fmt.Errorf("end of segment %d: %w", r.number, errShort)
		}
		if err := r.Close(); err != nil {
			return false, err
		}
		r.number, r.pos, end = next, 0, 0
		if size, _ = r.extent(); size == 0 {
			return false, nil
		}
	}
	if r.file == nil {
		if r.file, err = os.Open(r.s.path(r.number)); err != nil {
			return false, err
		}
	}
	r.grow(size - r.pos)
	n := copy(r.buf, r.window)
	got, err := r.file.ReadAt(r.buf[n:min(int64(len(r.buf)), size-r.pos)], end)
	if got == 0 && err != nil {
		return false, err
	}
	r.window = r.buf[:n+got]
	return true, nil
}

// grow makes the buffer long enough for what there is, but for no more than
// maxWindow: most steps write little.
func (r *Reader) grow(there int64) {
	want := int(min(max(there, 4<<10), maxWindow))
	if len(r.buf) < want {
		r.buf = append(make([]byte, 0, want), r.window...)[:want]
		r.window = r.buf[:len(r.window)]
	}
}

// extent returns how much of the segment is written, and the number of the one
// after it if there is one.
func (r *Reader) extent() (size int64, next int) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for i, seg := range r.s.segs {
		if seg.number < r.number {
			continue
		}
		if seg.number > r.number { // this one was acknowledged and deleted
			return r.pos + int64(len(r.window)), seg.number
		}
		if i+1 < len(r.s.segs) {
			next = r.s.segs[i+1].number
		}
		return seg.size, next
	}
	return r.pos + int64(len(r.window)), 0
}

// Close lets go of the file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
