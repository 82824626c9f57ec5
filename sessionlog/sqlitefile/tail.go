package sqlitefile

import (
	"bytes"

	"github.com/caisey/caisey/sessionlog"
)

// How much of its newest events a File keeps in memory.
const (
	tailEvents = 256
	tailBytes  = 128 << 10
)

// A tail is the newest durable events, so that those who follow a session do not
// ask SQLite for what was just written.
type tail struct {
	evs   []sessionlog.Event // in order, without gap, ending at the head
	bytes int
}

// add appends ev as a reader of the file gets it.
func (t *tail) add(ev sessionlog.Event, leaf []byte) {
	if i := bytes.Index(leaf, bodyField); i >= 0 {
		ev.Body = bytes.Clone(leaf[i+len(bodyField) : len(leaf)-1])
	}
	t.evs = append(t.evs, ev)
	t.bytes += size(ev)
}

// bodyField stands before the body of a leaf and, as quotes in strings are
// escaped, nowhere earlier.
var bodyField = []byte(`,"body":`)

// trim drops what is too much.
func (t *tail) trim() {
	drop := 0
	for len(t.evs)-drop > tailEvents || t.bytes > tailBytes {
		t.bytes -= size(t.evs[drop])
		drop++
	}
	clear(t.evs[:drop])
	t.evs = t.evs[drop:]
}

// read returns the events from seq on within the limits of Read, and false if
// the tail does not reach back that far.
func (t *tail) read(from sessionlog.Seq, limit int) ([]sessionlog.Event, bool) {
	if len(t.evs) == 0 || from < t.evs[0].Seq {
		return nil, false
	}
	var evs []sessionlog.Event
	b := budget{limit: limit}
	for _, ev := range t.evs[from-t.evs[0].Seq:] {
		if !b.take(size(ev)) {
			break
		}
		evs = append(evs, ev)
	}
	return evs, true
}

// size is what an event counts for in memory and in a Read.
func size(ev sessionlog.Event) int {
	n := len(ev.Body)
	if ev.Chunk != nil {
		n += len(ev.Chunk.Data)
	}
	return n
}
