package sqlitefile

import (
	"crypto/rand"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile/journal"
)

// A batch is units that are recorded together, encoded. Once it was handed on
// nobody changes it, until it is used again.
type batch struct {
	units   []unit
	refused []refusal

	leaves []byte            // end to end
	ends   []int             // where each leaf ends
	hashes []sessionlog.Hash // of each leaf; none if nobody signs
	grown  []change          // streams and how long they are now, in order
	data   int               // bytes of output
	last   sessionlog.Seq
	sealed bool // it ends the record

	start, end mark // of the ledger
}

// A refusal is a unit that may not follow, and why.
type refusal struct {
	unit
	err error
}

func (b *batch) reset() {
	clear(b.units)
	clear(b.refused)
	*b = batch{
		units: b.units[:0], refused: b.refused[:0],
		leaves: b.leaves[:0], ends: b.ends[:0], hashes: b.hashes[:0], grown: b.grown[:0],
	}
}

// size is how many bytes b takes in memory and in a file, about.
func (b *batch) size() int { return len(b.leaves) + b.data + 32*len(b.ends) }

// each calls f with each event and its leaf.
func (b *batch) each(f func(ev *sessionlog.Event, leaf []byte) error) error {
	start, i := 0, 0
	for _, u := range b.units {
		for k := range u.evs {
			end := b.ends[i]
			if err := f(&u.evs[k], b.leaves[start:end:end]); err != nil {
				return err
			}
			start, i = end, i+1
		}
	}
	return nil
}

// frame makes the journal's frame of b.
func (b *batch) frame(f *journal.Frame, record string) {
	f.Reset(record, b.last+1-sessionlog.Seq(len(b.ends)))
	_ = b.each(func(ev *sessionlog.Event, leaf []byte) error {
		if c := ev.Chunk; c != nil {
			f.Add(leaf, c.Salt, c.Data)
		} else {
			f.Add(leaf, nil, nil)
		}
		return nil
	})
}

// An encoder gives events their number, salt, time and leaf. It belongs to the
// writer, and runs ahead of the file.
type encoder struct {
	ledger ledger
	clock  func() time.Time
	hash   bool // somebody signs
}

// encode makes a batch of units. A unit that may not follow leaves no trace but
// its refusal.
func (e *encoder) encode(b *batch, units []unit) {
	b.reset()
	b.start = e.ledger.mark()
	for _, u := range units {
		if err := e.take(b, u); err != nil {
			b.refused = append(b.refused, refusal{u, err})
			continue
		}
		b.units = append(b.units, u)
	}
	b.last, b.sealed, b.end = e.ledger.seq, e.ledger.sealed && len(b.units) > 0, e.ledger.mark()
	b.grown = e.ledger.grown(b.grown, b.start)
	if e.hash {
		start := 0
		for _, end := range b.ends {
			b.hashes = append(b.hashes, sessionlog.LeafHash(b.leaves[start:end]))
			start = end
		}
	}
}

// take encodes the events of u, or leaves no trace.
func (e *encoder) take(b *batch, u unit) error {
	m, leaves, ends, data := e.ledger.mark(), len(b.leaves), len(b.ends), b.data
	err := e.events(b, u.evs)
	if err != nil {
		e.ledger.rollback(m)
		b.leaves, b.ends, b.data = b.leaves[:leaves], b.ends[:ends], data
	}
	return err
}

func (e *encoder) events(b *batch, evs []sessionlog.Event) error {
	salt(evs)
	for i := range evs {
		ev := &evs[i]
		if err := e.ledger.take(ev); err != nil {
			return err
		}
		if ev.Time.IsZero() {
			ev.Time = e.clock()
		}
		ev.Time = ev.Time.Round(0).UTC()
		if !ev.AgentTime.IsZero() {
			ev.AgentTime = ev.AgentTime.Round(0).UTC()
		}
		var err error
		if b.leaves, err = sessionlog.AppendLeaf(b.leaves, *ev); err != nil {
			return err
		}
		b.ends = append(b.ends, len(b.leaves))
		if ev.Chunk != nil {
			b.data += len(ev.Chunk.Data)
		}
	}
	return nil
}

// salt gives every chunk its salt, out of one read of random bytes.
func salt(evs []sessionlog.Event) {
	n := 0
	for _, ev := range evs {
		if ev.Chunk != nil {
			n++
		}
	}
	if n == 0 {
		return
	}
	b := make([]byte, n*sessionlog.SaltSize)
	rand.Read(b) // never fails
	for i := range evs {
		if c := evs[i].Chunk; c != nil {
			c.Salt, b = b[:sessionlog.SaltSize:sessionlog.SaltSize], b[sessionlog.SaltSize:]
		}
	}
}
