package sqlitefile

import (
	"bytes"
	"slices"

	"github.com/caisey/caisey/sessionlog"
)

// How much of its newest events a File keeps in memory.
const (
	tailEvents = 256
	tailBytes  = 128 << 10
)

// A tail is the newest durable events, so that those who follow a session do not
// ask SQLite for what was just written. All that is not in the file yet is in it.
type tail struct {
	evs   []sessionlog.Event // in order, without gap, ending at the head
	bytes int
}

// add appends ev as a reader of the file gets it. The leaf's bytes stay in use,
// unless they are copied.
func (t *tail) add(ev sessionlog.Event, leaf []byte, copied bool) {
	if i := bytes.Index(leaf, bodyField); i >= 0 {
		ev.Body = leaf[i+len(bodyField) : len(leaf)-1 : len(leaf)-1]
		if copied {
			ev.Body = bytes.Clone(ev.Body)
		}
	}
	t.evs = append(t.evs, ev)
	t.bytes += size(ev)
}

// bodyField stands before the body of a leaf and, as quotes in strings are
// escaped, nowhere earlier.
var bodyField = []byte(`,"body":`)

// trim drops what is too much of what the file has: up to inFile.
func (t *tail) trim(inFile sessionlog.Seq) {
	drop := 0
	for drop < len(t.evs) && t.evs[drop].Seq <= inFile && (len(t.evs)-drop > tailEvents || t.bytes > tailBytes) {
		t.bytes -= size(t.evs[drop])
		drop++
	}
	clear(t.evs[:drop])
	t.evs = t.evs[drop:]
}

// read appends the events from seq on that b has room for, and returns false if
// the tail does not reach back that far.
func (t *tail) read(evs []sessionlog.Event, from sessionlog.Seq, b *budget) ([]sessionlog.Event, bool) {
	if len(t.evs) == 0 || from < t.evs[0].Seq {
		return evs, false
	}
	for _, ev := range t.evs[from-t.evs[0].Seq:] {
		if !b.take(size(ev)) {
			break
		}
		evs = append(evs, ev)
	}
	return evs, true
}

// outline returns the events after seq that are not output.
func (t *tail) outline(after sessionlog.Seq) (evs []sessionlog.Event) {
	for i := len(t.evs) - 1; i >= 0 && t.evs[i].Seq > after; i-- {
		if t.evs[i].Chunk == nil {
			evs = append(evs, t.evs[i])
		}
	}
	slices.Reverse(evs)
	return evs
}

// size is what an event counts for in memory and in a Read.
func size(ev sessionlog.Event) int {
	n := len(ev.Body)
	if ev.Chunk != nil {
		n += len(ev.Chunk.Data)
	}
	return n
}

// keep puts what was recorded in the tail, and where the journal has it, among
// what is to be filled. f.mu is held.
func (f *File) keep(b *batch, filed bool) {
	i, old := 0, 0
	if filed {
		f.inFile = b.last
		if old = len(b.ends) - tailEvents; old > 0 {
			f.tail = tail{}
		}
	} else {
		f.pending = append(f.pending, b)
		f.pendingBytes += b.size()
	}
	_ = b.each(func(ev *sessionlog.Event, leaf []byte) error {
		if i >= old {
			f.tail.add(*ev, leaf, filed)
		}
		i++
		return nil
	})
	f.tail.trim(f.inFile)
}
