package sqlitefile

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/caisey/caisey/sessionlog"
)

type streamKey struct {
	step   sessionlog.StepID
	stream sessionlog.Stream
}

// A ledger decides which events may follow. It runs ahead of the file: what was
// taken since a mark can be undone.
type ledger struct {
	seq    sessionlog.Seq // of the newest event taken
	sealed bool
	next   map[streamKey]int64 // the only offset accepted next, for streams seen
	load   func(streamKey) (int64, error)
	undo   []change // what entries of next were, oldest first
	gone   int      // how many were taken off the front of undo
}

// A change is an entry of next, as it was or as it is.
type change struct {
	key streamKey
	off int64
}

// A mark is a position to which a ledger can return.
type mark struct {
	seq    sessionlog.Seq
	sealed bool
	undo   int
}

func (l *ledger) mark() mark { return mark{l.seq, l.sealed, l.gone + len(l.undo)} }

func (l *ledger) rollback(m mark) {
	n := m.undo - l.gone
	for i := len(l.undo) - 1; i >= n; i-- {
		l.next[l.undo[i].key] = l.undo[i].off
	}
	l.seq, l.sealed, l.undo = m.seq, m.sealed, l.undo[:n]
}

// commit forgets how to undo what came before m.
func (l *ledger) commit(m mark) {
	l.undo = append(l.undo[:0], l.undo[m.undo-l.gone:]...)
	l.gone = m.undo
}

// grown appends the streams that became longer since m, each once, and how long
// they are.
func (l *ledger) grown(to []change, m mark) []change {
	n := len(to)
next:
	for _, ch := range l.undo[m.undo-l.gone:] {
		for _, have := range to[n:] {
			if have.key == ch.key {
				continue next
			}
		}
		to = append(to, change{ch.key, l.next[ch.key]})
	}
	return to
}

// maxStreams bounds the memory of next; the file knows what is forgotten.
const maxStreams = 4096

// full reports whether it is time to forget. All that was taken must be in the
// file before.
func (l *ledger) full() bool { return len(l.next) > maxStreams }

// take numbers ev and reports why it may not follow.
func (l *ledger) take(ev *sessionlog.Event) error {
	switch {
	case l.sealed:
		return sessionlog.ErrSealed
	case ev.Kind == sessionlog.SessionOpened && l.seq > 0:
		return errors.New("session is already opened")
	case ev.Step == "" && strings.HasPrefix(string(ev.Kind), "step."):
		return fmt.Errorf("%s has no step", ev.Kind)
	}
	if err := l.takeOutput(ev); err != nil {
		return err
	}
	l.seq++
	ev.Seq = l.seq
	l.sealed = ev.Kind == sessionlog.SessionClosed
	return nil
}

// takeOutput lets an event with output, or with a gap in it, move the end of its
// stream.
func (l *ledger) takeOutput(ev *sessionlog.Event) error {
	switch {
	case ev.Chunk != nil:
		if len(ev.Chunk.Data) == 0 {
			return errors.New("chunk is empty")
		}
		return l.extend(streamKey{ev.Step, ev.Chunk.Stream}, ev.Chunk.Offset, int64(len(ev.Chunk.Data)))
	case ev.Kind == sessionlog.StepGap:
		var gap sessionlog.Gap
		if err := ev.Decode(&gap); err != nil {
			return err
		}
		stream, err := sessionlog.ParseStream(gap.Stream)
		if err != nil {
			return err
		}
		if gap.Bytes <= 0 {
			return fmt.Errorf("gap of %d bytes", gap.Bytes)
		}
		return l.extend(streamKey{ev.Step, stream}, gap.Offset, gap.Bytes)
	}
	return nil
}

func (l *ledger) extend(key streamKey, from, n int64) error {
	next, ok := l.next[key]
	if !ok {
		var err error
		if next, err = l.load(key); err != nil {
			return fmt.Errorf("read end of %s of step %s: %w", key.stream, key.step, err)
		}
	}
	if from != next {
		return &sessionlog.GapError{Step: key.step, Stream: key.stream, Want: next, Have: from}
	}
	if n > math.MaxInt64-next {
		return fmt.Errorf("%s of step %s is too long", key.stream, key.step)
	}
	l.undo = append(l.undo, change{key, next})
	l.next[key] = next + n
	return nil
}
