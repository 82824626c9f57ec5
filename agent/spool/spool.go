package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Config says how a Spool behaves. The zero value is good.
type Config struct {
	// MaxUnacked is how many bytes of output may wait to be acknowledged before
	// Append blocks. If zero, 64 MiB.
	MaxUnacked int64
	// SegmentSize is how long a segment file grows. If zero, 4 MiB.
	SegmentSize int64
}

func (c Config) maxUnacked() int64 {
	if c.MaxUnacked == 0 {
		return 64 << 20
	}
	return c.MaxUnacked
}

func (c Config) segmentSize() int64 {
	if c.SegmentSize == 0 {
		return 4 << 20
	}
	return c.SegmentSize
}

// ErrEnded says that a spool has its end and takes no more.
var ErrEnded = errors.New("spool is ended")

// A Total is how much a stream wrote.
type Total struct {
	Stream int
	Bytes  int64
	SHA256 []byte
}

// A Spool is the unacknowledged output of one step. Its methods may be called
// concurrently.
type Spool struct {
	// Static.
	dir  string
	cfg  Config
	turn chan struct{} // a token in it is the right to write

	// Owned by whoever has the turn.
	file *os.File // the last segment
	buf  []byte
	sums *sums
	left [Streams]skip // what was left out and is not yet in sums

	mu     sync.Mutex     // guards what follows
	segs   []segment      // oldest first; the last is written to
	total  [Streams]int64 // what readers may see
	acked  [Streams]int64
	ended  bool
	closed bool
	grew   chan struct{} // closed when there is more to read; nil if nobody waits
	freed  chan struct{} // closed when there is more room; nil if nobody waits
}

// A segment is one file.
type segment struct {
	number int
	start  [Streams]int64 // offsets of the first bytes in it or after it
	size   int64          // what of the file is written
}

// Create makes the directory dir and an empty spool in it.
func Create(dir string, cfg Config) (*Spool, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool: %w", err)
	}
	s := newSpool(dir, cfg)
	s.turn <- struct{}{}
	defer s.release()
	if err := s.rotate(); err != nil {
		return nil, errors.Join(err, os.Remove(dir)) // else the step could not be tried again
	}
	return s, nil
}

func newSpool(dir string, cfg Config) *Spool {
	return &Spool{dir: dir, cfg: cfg, turn: make(chan struct{}, 1), sums: newSums()}
}

func (s *Spool) release() { <-s.turn }

// acquire waits for the turn to write.
func (s *Spool) acquire(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.closed {
		s.release()
		return ErrEnded
	}
	return nil
}

// Append adds data to a stream. It blocks while more than Config.MaxUnacked
// bytes are unacknowledged.
func (s *Spool) Append(ctx context.Context, stream int, data []byte) error {
	return s.append(ctx, stream, data, s.room)
}

// AppendNow is Append without a wait for room. It is for the end of a step's
// output, which is bounded.
func (s *Spool) AppendNow(ctx context.Context, stream int, data []byte) error {
	return s.append(ctx, stream, data, func(context.Context, int) error { return nil })
}

func (s *Spool) append(ctx context.Context, stream int, data []byte, room func(context.Context, int) error) error {
	if stream < 1 || stream > Streams {
		return fmt.Errorf("append to spool: no stream %d", stream)
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	for len(data) > 0 {
		if err := s.writeGap(stream); err != nil {
			return err
		}
		n := min(len(data), MaxRecord)
		if err := room(ctx, n); err != nil {
			return err
		}
		r := Record{kind: kindOutput, Stream: stream, Offset: s.sums.total[stream-1], Data: data[:n]}
		if err := s.write(r); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// End writes the end of the step. Nothing can be appended after it.
func (s *Spool) End(ctx context.Context, data []byte) error {
	if len(data) > MaxRecord {
		return fmt.Errorf("end spool: %d bytes are too many", len(data))
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	for i := range s.left {
		if err := s.writeGap(i + 1); err != nil {
			return err
		}
	}
	return s.write(Record{kind: kindEnd, Data: data, End: true})
}

// Totals returns how much was written to each stream that has any, with what was
// left out.
func (s *Spool) Totals() []Total {
	s.turn <- struct{}{}
	defer s.release()
	var totals []Total
	for i, n := range s.sums.total {
		h := s.sums.hash[i]
		if left := s.left[i]; left.bytes > 0 {
			n, h = n+left.bytes, left.hash
		}
		if n > 0 {
			totals = append(totals, Total{Stream: i + 1, Bytes: n, SHA256: h.Sum(nil)})
		}
	}
	return totals
}

// Total returns how much was written to a stream: nothing, if there is no such
// stream.
func (s *Spool) Total(stream int) int64 {
	if stream < 1 || stream > Streams {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total[stream-1]
}

// Start returns where the output that is kept begins, for each stream.
func (s *Spool) Start() [Streams]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.segs[0].start
}

// Ended says whether the spool has its end.
func (s *Spool) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// room waits until n more bytes may be kept. It is called with the turn.
func (s *Spool) room(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		unacked := s.sums.kept(s.acked)
		if unacked == 0 || unacked+int64(n) <= s.cfg.maxUnacked() {
			s.mu.Unlock()
			return nil
		}
		freed := waitOn(&s.freed)
		s.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// write writes a record and lets readers see it. It is called with the turn. A
// record that did not fit on the disk is taken back.
func (s *Spool) write(r Record) error {
	s.mu.Lock()
	size := s.segs[len(s.segs)-1].size
	s.mu.Unlock()
	if size >= s.cfg.segmentSize() {
		if err := s.rotate(); err != nil {
			return err
		}
		s.mu.Lock()
		size = s.segs[len(s.segs)-1].size
		s.mu.Unlock()
	}
	r.Time = time.Now().UnixNano()
	s.buf = appendRecord(s.buf[:0], r)
	if _, err := s.file.WriteAt(s.buf, size); err != nil {
		return fmt.Errorf("write spool: %w", errors.Join(err, s.file.Truncate(size)))
	}
	switch r.kind {
	case kindOutput:
		s.sums.add(r.Stream, r.Data)
	case kindGap:
		s.sums.gap(r, s.left[r.Stream-1].hash)
		s.left[r.Stream-1] = skip{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segs[len(s.segs)-1].size += int64(len(s.buf))
	s.total = s.sums.total
	s.ended = r.End
	wake(&s.grew)
	return nil
}

// waitOn returns a channel that wake closes. The mutex that guards c is held.
func waitOn(c *chan struct{}) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
	}
	return *c
}

func wake(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}
