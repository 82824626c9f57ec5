package logtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A Memory is a sessionlog.Log that keeps nothing: what is in memory counts as
// durable. The zero value is not ready; use NewMemory.
type Memory struct {
	mu     sync.Mutex // guards what follows
	evs    []sessionlog.Event
	ends   map[stream]int64
	sealed bool
	closed bool
	grew   chan struct{} // closed and replaced at every change
}

type stream struct {
	step   sessionlog.StepID
	stream sessionlog.Stream
}

var _ sessionlog.Log = (*Memory)(nil)

// NewMemory returns an empty log.
func NewMemory() *Memory {
	return &Memory{ends: map[stream]int64{}, grew: make(chan struct{})}
}

// Submit implements sessionlog.Appender. The Commit is resolved at once.
func (m *Memory) Submit(ctx context.Context, evs ...sessionlog.Event) (*sessionlog.Commit, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if len(evs) == 0 {
		return nil, errors.New("record events: none given")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, sessionlog.ErrClosed
	}
	c := sessionlog.NewCommit()
	err := m.append(evs)
	c.Resolve(m.head(), err)
	return c, nil
}

// append takes all of evs or nothing. m.mu is held.
func (m *Memory) append(evs []sessionlog.Event) error {
	ends, sealed := maps.Clone(m.ends), m.sealed
	out := m.evs // readers copy, so what a refused unit leaves behind its end is not seen
	for _, ev := range evs {
		if sealed {
			return sessionlog.ErrSealed
		}
		ev.Seq = sessionlog.Seq(len(out) + 1)
		if err := take(ends, &ev); err != nil {
			return err
		}
		sealed = ev.Kind == sessionlog.SessionClosed
		out = append(out, ev)
	}
	m.evs, m.ends, m.sealed = out, ends, sealed
	close(m.grew)
	m.grew = make(chan struct{})
	return nil
}

func take(ends map[stream]int64, ev *sessionlog.Event) error {
	if ev.Kind == sessionlog.SessionOpened && ev.Seq > 1 {
		return errors.New("session is already opened")
	}
	if ev.Step == "" && strings.HasPrefix(string(ev.Kind), "step.") {
		return fmt.Errorf("%s has no step", ev.Kind)
	}
	if ev.Kind == sessionlog.StepGap {
		if err := takeGap(ends, ev); err != nil {
			return err
		}
	}
	if c := ev.Chunk; c != nil {
		if len(c.Data) == 0 {
			return errors.New("chunk is empty")
		}
		if err := extend(ends, stream{ev.Step, c.Stream}, c.Offset, int64(len(c.Data))); err != nil {
			return err
		}
		c.Salt = make([]byte, sessionlog.SaltSize)
		rand.Read(c.Salt) // never fails
	}
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	return roundTrip(ev)
}

func takeGap(ends map[stream]int64, ev *sessionlog.Event) error {
	var gap sessionlog.Gap
	if err := ev.Decode(&gap); err != nil {
		return err
	}
	s, err := sessionlog.ParseStream(gap.Stream)
	if err != nil {
		return err
	}
	if gap.Bytes <= 0 {
		return fmt.Errorf("gap of %d bytes", gap.Bytes)
	}
	return extend(ends, stream{ev.Step, s}, gap.Offset, gap.Bytes)
}

// extend moves the end of a stream by n bytes, which begin at from.
func extend(ends map[stream]int64, key stream, from, n int64) error {
	end := ends[key]
	if from != end {
		return &sessionlog.GapError{Step: key.step, Stream: key.stream, Want: end, Have: from}
	}
	if n > math.MaxInt64-end {
		return fmt.Errorf("%s of step %s is too long", key.stream, key.step)
	}
	ends[key] = end + n
	return nil
}

// roundTrip makes ev what a reader of a record gets.
func roundTrip(ev *sessionlog.Event) error {
	b, err := sessionlog.Leaf(*ev)
	if err != nil {
		return err
	}
	back, err := sessionlog.ParseLeaf(b)
	if err != nil {
		return err
	}
	if ev.Chunk != nil {
		back.Chunk.Data, back.Chunk.Salt = ev.Chunk.Data, ev.Chunk.Salt
	}
	*ev = back
	return nil
}

func (m *Memory) head() sessionlog.Head {
	return sessionlog.Head{Seq: sessionlog.Seq(len(m.evs)), Sealed: m.sealed}
}

// Head implements sessionlog.Reader.
func (m *Memory) Head() sessionlog.Head {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head()
}

// Read implements sessionlog.Reader.
func (m *Memory) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, sessionlog.ErrClosed
	}
	from = max(from, 1)
	var out []sessionlog.Event
	bytes := 0
	for ; int(from) <= len(m.evs) && len(out) < limit; from++ {
		ev := m.evs[from-1]
		if ev.Chunk != nil {
			bytes += len(ev.Chunk.Data)
		}
		if len(out) > 0 && bytes > readBytes {
			break
		}
		out = append(out, ev)
	}
	return out, nil
}

// Outline implements sessionlog.Reader.
func (m *Memory) Outline(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, sessionlog.ErrClosed
	}
	var out []sessionlog.Event
	for from = max(from, 1); int(from) <= len(m.evs) && len(out) < limit; from++ {
		if ev := m.evs[from-1]; ev.Kind != sessionlog.StepOutput {
			out = append(out, ev)
		}
	}
	return out, nil
}

// readBytes is how much output one Read returns at most.
const readBytes = 1 << 20

// Wait implements sessionlog.Reader.
func (m *Memory) Wait(ctx context.Context, after sessionlog.Seq) (sessionlog.Head, error) {
	for {
		m.mu.Lock()
		head, closed, grew := m.head(), m.closed, m.grew
		m.mu.Unlock()
		switch {
		case head.Seq > after || head.Sealed:
			return head, nil
		case closed:
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
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.grew)
		m.grew = make(chan struct{})
	}
	return nil
}
