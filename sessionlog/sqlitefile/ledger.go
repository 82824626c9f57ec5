package sqlitefile

import (
	"errors"
	"fmt"
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
	undo   []change // oldest first
}

// A change is what an entry of next was before.
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

func (l *ledger) mark() mark { return mark{l.seq, l.sealed, len(l.undo)} }

func (l *ledger) rollback(m mark) {
	for i := len(l.undo) - 1; i >= m.undo; i-- {
		l.next[l.undo[i].key] = l.undo[i].off
	}
	l.seq, l.sealed, l.undo = m.seq, m.sealed, l.undo[:m.undo]
}

// maxStreams bounds the memory of next; the file knows what is forgotten.
const maxStreams = 4096

// commit forgets how to undo.
func (l *ledger) commit() {
	l.undo = l.undo[:0]
	if len(l.next) > maxStreams {
		clear(l.next)
	}
}

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
	if ev.Chunk != nil {
		if err := l.takeChunk(ev.Step, ev.Chunk); err != nil {
			return err
		}
	}
	l.seq++
	ev.Seq = l.seq
	l.sealed = ev.Kind == sessionlog.SessionClosed
	return nil
}

func (l *ledger) takeChunk(step sessionlog.StepID, c *sessionlog.Chunk) error {
	if len(c.Data) == 0 {
		return errors.New("chunk is empty")
	}
	key := streamKey{step, c.Stream}
	next, ok := l.next[key]
	if !ok {
		var err error
		if next, err = l.load(key); err != nil {
			return fmt.Errorf("read end of %s of step %s: %w", c.Stream, step, err)
		}
	}
	if c.Offset != next {
		return &sessionlog.GapError{Step: step, Stream: c.Stream, Want: next, Have: c.Offset}
	}
	l.undo = append(l.undo, change{key, next})
	l.next[key] = next + int64(len(c.Data))
	return nil
}
