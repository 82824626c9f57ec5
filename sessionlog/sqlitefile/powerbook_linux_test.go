package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/caisey/caisey/sessionlog"
)

// A powerBook knows what was submitted to the records of a directory, and what
// was acknowledged.
type powerBook struct {
	sessions int // that are written at a time
	words    int // of an event, at most

	mu      sync.Mutex // guards what follows, and all records and units
	records map[sessionlog.SessionID]*powerRecord
	events  int // submitted
	acks    int // units acknowledged
	cutAt   int // the acknowledgement that cuts the power; 0 if none does
	cut     func()
	isCut   func() bool
}

// A powerRecord is what one record must, and what it may hold.
type powerRecord struct {
	made  bool // its Create was acknowledged
	units []*powerUnit
	where map[string]powerPlace // by what an event says
}

// A powerUnit is one unit that was submitted.
type powerUnit struct {
	step    sessionlog.StepID // of its writer
	n       int               // counts the units of the writer
	events  []string          // what each says
	seq     sessionlog.Seq    // of its last event, if it was acknowledged
	closes  bool              // the session, with its last event
	refused bool              // as the session was closed
}

type powerPlace struct {
	unit *powerUnit
	i    int // among its events
}

func newPowerBook() *powerBook {
	return &powerBook{sessions: 3, words: 1000, records: map[sessionlog.SessionID]*powerRecord{}}
}

// begin has the acks-th acknowledgement from now call cut, or none if acks is 0.
// isCut reports whether the cut was.
func (b *powerBook) begin(acks int, cut func(), isCut func() bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut, b.isCut, b.cutAt = cut, isCut, 0
	if acks > 0 {
		b.cutAt = b.acks + acks
	}
}

// powerless reports whether the cut was: then errors are to be expected.
func (b *powerBook) powerless() bool {
	return b.isCut()
}

func (b *powerBook) record(id sessionlog.SessionID) *powerRecord {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[id]
	if r == nil {
		r = &powerRecord{where: map[string]powerPlace{}}
		b.records[id] = r
	}
	return r
}

// acked returns how many events were acknowledged.
func (b *powerBook) acked() (n int) { return b.lost(nil) }

// lost returns how many acknowledged events are not where they were.
func (b *powerBook) lost(found map[*powerUnit]sessionlog.Seq) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		for _, u := range r.units {
			if u.seq > 0 && found[u] != u.seq {
				n += len(u.events)
			}
		}
	}
	return n
}

// says returns what of an event must come back.
func says(ev sessionlog.Event) string {
	if c := ev.Chunk; c != nil { // its body is the record's own
		return fmt.Sprintf("%s %s %s %s %d %s", ev.Kind, ev.Actor, ev.Step, c.Stream, c.Offset, c.Data)
	}
	return fmt.Sprintf("%s %s %s %s", ev.Kind, ev.Actor, ev.Step, ev.Body)
}

// read checks that a record holds whole units in the order of their writers, and
// notes where they are.
func (r *powerRecord) read(ctx context.Context, log sessionlog.Log, found map[*powerUnit]sessionlog.Seq) error {
	var at powerPlace // what was read last
	var seq sessionlog.Seq
	next := map[sessionlog.StepID]int{}
	err := sessionlog.Replay(ctx, log, func(ev sessionlog.Event) error {
		seq++
		now, ok := r.where[says(ev)]
		switch whole := at.unit == nil || at.i == len(at.unit.events)-1; {
		case ev.Seq != seq || !ok:
			return fmt.Errorf("event %d at %d was never submitted: %.80s", ev.Seq, seq, says(ev))
		case whole && (now.i != 0 || now.unit.n != next[now.unit.step]):
			return fmt.Errorf("event %d is part %d of unit %d of its writer, want part 0 of %d", seq, now.i, now.unit.n, next[now.unit.step])
		case !whole && (now.unit != at.unit || now.i != at.i+1):
			return fmt.Errorf("event %d is in the middle of another unit", seq)
		case now.unit.refused:
			return fmt.Errorf("event %d was refused", seq)
		}
		if at = now; at.i == len(at.unit.events)-1 {
			found[at.unit] = seq
			next[at.unit.step]++
		}
		return nil
	})
	switch {
	case err != nil || at.unit == nil:
		return err
	case at.i != len(at.unit.events)-1:
		return fmt.Errorf("the last unit is cut short after %d of %d events", at.i+1, len(at.unit.events))
	case log.Head() != sessionlog.Head{Seq: seq, Sealed: at.unit.closes}:
		return fmt.Errorf("head is %+v after %d events, closed: %t", log.Head(), seq, at.unit.closes)
	}
	return nil
}

// missing reports records that were made and are not in list.
func (b *powerBook) missing(list []Entry) error {
	for id, r := range b.records {
		if r.made && !slices.ContainsFunc(list, func(e Entry) bool { return e.ID == id }) {
			return fmt.Errorf("record %s is gone", id)
		}
	}
	return nil
}

// write has some sessions at a time written by two writers each, first those
// that are there, until the power is cut. It returns what went wrong before.
func (b *powerBook) write(d *Dir, rng *rand.Rand) error {
	list, err := d.List()
	if err != nil && !b.powerless() {
		return err
	}
	old := make(chan sessionlog.SessionID, len(list))
	for _, e := range list {
		old <- e.ID
	}
	close(old)
	var wg sync.WaitGroup
	errs := make([]error, b.sessions)
	for i := range errs {
		rng := rand.New(rand.NewPCG(rng.Uint64(), 0))
		wg.Go(func() {
			var err error
			for err == nil {
				err = b.writeSession(context.Background(), d, old, rng)
			}
			if !b.powerless() {
				errs[i] = err
				b.cut() // so that the others end
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// writeSession writes one session until it is sealed.
func (b *powerBook) writeSession(ctx context.Context, d *Dir, old <-chan sessionlog.SessionID, rng *rand.Rand) error {
	id, ok := <-old
	open := d.Open
	if !ok {
		id, open = sessionlog.NewSessionID(), d.Create
	}
	r := b.record(id)
	log, err := open(ctx, "acme", id)
	if err != nil {
		return err
	}
	b.mu.Lock()
	r.made = true
	b.mu.Unlock()
	if log.Head().Sealed {
		return log.Close()
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range errs {
		w := &powerWriter{book: b, rec: r, log: log, step: sessionlog.NewStepID(), rng: rand.New(rand.NewPCG(rng.Uint64(), 0))}
		wg.Go(func() { errs[i] = w.run(ctx) })
	}
	wg.Wait()
	return errors.Join(append(errs, log.Close())...)
}

// A powerWriter writes to one session.
type powerWriter struct {
	book *powerBook
	rec  *powerRecord
	log  sessionlog.Log
	step sessionlog.StepID
	rng  *rand.Rand
	off  int64 // of its output
	n    int   // units
}

// unit returns a unit that nobody submitted before. The last one of a session
// closes it.
func (w *powerWriter) unit(last bool) (*powerUnit, []sessionlog.Event) {
	u := &powerUnit{step: w.step, n: w.n, closes: last}
	w.n++
	evs := make([]sessionlog.Event, 1+w.rng.IntN(8))
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	for i := range evs {
		w.book.events++
		text := fmt.Sprint(w.book.events, strings.Repeat(" more", w.rng.IntN(w.book.words)))
		switch {
		case last && i == len(evs)-1:
			evs[i] = sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{Why: text})
		case w.rng.IntN(2) == 0:
			evs[i] = sessionlog.New(sessionlog.NoteAdded, "technician:ana", w.step, sessionlog.Note{Text: text})
		default:
			evs[i] = sessionlog.NewOutput("agent:acme/db01", w.step, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: w.off, Data: []byte(text)})
			w.off += int64(len(text))
		}
		u.events = append(u.events, says(evs[i]))
		w.rec.where[u.events[i]] = powerPlace{u, i}
	}
	w.rec.units = append(w.rec.units, u)
	return u, evs
}

// run submits up to three units at a time until the session is sealed, which it
// may do itself.
func (w *powerWriter) run(ctx context.Context) error {
	for {
		var units []*powerUnit
		var commits []*sessionlog.Commit
		for range 1 + w.rng.IntN(3) {
			u, evs := w.unit(w.rng.IntN(40) == 0)
			c, err := w.log.Submit(ctx, evs...)
			if err != nil {
				c = sessionlog.NewCommit()
				c.Resolve(sessionlog.Head{}, err)
			}
			units, commits = append(units, u), append(commits, c)
		}
		for i, c := range commits {
			if err := w.wait(ctx, units[i], c); errors.Is(err, sessionlog.ErrSealed) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
}

// append submits one unit more, and returns it once it is acknowledged.
func (w *powerWriter) append(ctx context.Context) (*powerUnit, error) {
	u, evs := w.unit(false)
	c, err := w.log.Submit(ctx, evs...)
	if err != nil {
		return nil, err
	}
	return u, w.wait(ctx, u, c)
}

// wait notes what became of a unit.
func (w *powerWriter) wait(ctx context.Context, u *powerUnit, c *sessionlog.Commit) error {
	head, err := c.Wait(ctx)
	b := w.book
	b.mu.Lock()
	defer b.mu.Unlock()
	u.refused = errors.Is(err, sessionlog.ErrSealed)
	if err != nil {
		return err
	}
	u.seq = head.Seq
	b.acks++
	if b.acks == b.cutAt {
		b.cut()
	}
	return nil
}
