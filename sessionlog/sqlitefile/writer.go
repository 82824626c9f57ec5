package sqlitefile

import (
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/caisey/caisey/sessionlog"
)

// A writer is what a File's writer goroutine owns.
type writer struct {
	c      *conn
	ledger ledger
	proof  proof
	event  *insert
	stream *insert
	note   *insert
	begin  *sqlite3.SQLiteStmt
	commit *sqlite3.SQLiteStmt
	end    *sqlite3.SQLiteStmt // the end of a stream's output

	leaves []byte // of one batch, end to end
	ends   []int  // where each leaf ends
}

func (w *writer) open(f *File) (err error) {
	if w.c, err = openConn(f.path, "rw", false); err != nil {
		return err
	}
	if err := w.c.checkSchema(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotRecord, err)
	}
	if err := errors.Join(w.c.want("PRAGMA synchronous", int64(2)), w.c.want("PRAGMA journal_mode", "wal")); err != nil {
		return err
	}
	if level := f.cfg.synchronous; level != "" {
		if err := w.c.exec("PRAGMA synchronous=" + level); err != nil {
			return err
		}
	}
	if err := w.prepare(); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	ev, err := lastEvent(w.c)
	if err != nil {
		return err
	}
	w.ledger = ledger{
		seq: ev.Seq, sealed: ev.Kind == sessionlog.SessionClosed,
		next: map[streamKey]int64{}, load: w.loadEnd,
	}
	return w.proof.load(w.c, f.cfg.Signer, f.path, ev.Seq)
}

func (w *writer) prepare() (err error) {
	stmt := func(query string) *sqlite3.SQLiteStmt {
		st, e := w.c.prepare(query)
		err = errors.Join(err, e)
		return st
	}
	w.begin, w.commit = stmt("BEGIN IMMEDIATE"), stmt("COMMIT")
	w.event = newInsert(stmt("INSERT INTO event (seq, leaf, salt, data) VALUES (?, ?, ?, ?)"), 4)
	w.stream = newInsert(stmt("INSERT INTO stream (step, stream, bytes) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bytes = excluded.bytes"), 3)
	w.note = newInsert(stmt("INSERT INTO checkpoint (size, note, edge, hashes) VALUES (?, ?, ?, ?)"), 4)
	w.end = stmt("SELECT bytes FROM stream WHERE step = ? AND stream = ?")
	return err
}

func (w *writer) close() error {
	err := errors.Join(w.closeStmts(), w.c.close())
	w.c = nil
	return err
}

func (w *writer) closeStmts() error {
	var errs []error
	for _, st := range []*sqlite3.SQLiteStmt{w.begin, w.commit, w.end, w.event.stmt(), w.stream.stmt(), w.note.stmt()} {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	w.begin, w.commit, w.end, w.event, w.stream, w.note = nil, nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// loadEnd returns how long a stream is so far, with its gaps.
func (w *writer) loadEnd(key streamKey) (int64, error) {
	rows, err := w.end.Query([]driver.Value{string(key.step), int64(key.stream)})
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	vals := make([]driver.Value, 1)
	switch err := rows.Next(vals); {
	case errors.Is(err, io.EOF): // no output
		return 0, nil
	case err != nil:
		return 0, err
	}
	end, ok := vals[0].(int64)
	if !ok {
		return 0, errors.New("offset is not a number")
	}
	return end, nil
}

// write is the writer goroutine. The previous commit is the window in which the
// next batch gathers; only a checkpoint waits for a timer.
func (f *File) write() {
	defer close(f.stopped)
	for {
		units, more := f.dequeue()
		f.commits <- struct{}{}
		if len(units) > 0 {
			f.record(units)
		} else if err := f.w.checkpoint(); err != nil {
			f.cfg.Logf("sign record %s: %v", f.path, err)
		}
		<-f.commits
		for _, u := range units {
			f.weight.Release(u.weight)
		}
		clear(units) // the queue goes on in the same array
		if !more {
			return
		}
	}
}

// record makes one batch durable, shows it to readers, and resolves its Commits.
func (f *File) record(units []unit) {
	start := f.w.ledger.mark()
	f.w.proof.mark()
	took := units[:0:0]
	errs := make([]error, 0, 8)
	refused := make([]unit, 0, 8)
	f.w.leaves, f.w.ends = f.w.leaves[:0], f.w.ends[:0]
	for _, u := range units {
		if err := f.w.take(u, f.cfg.Clock); err != nil {
			refused, errs = append(refused, u), append(errs, err)
			continue
		}
		took = append(took, u)
	}
	if err := f.insertHeld(took); err != nil {
		f.w.ledger.rollback(start)
		f.w.proof.rollback()
		for _, u := range took {
			u.commit.Resolve(f.Head(), fmt.Errorf("record events in %s: %w", f.path, err))
		}
	} else if len(took) > 0 {
		f.w.ledger.commit()
		f.publish(took)
	}
	for i, u := range refused {
		u.commit.Resolve(f.Head(), errs[i])
	}
}

// publish shows what was committed.
func (f *File) publish(took []unit) {
	head := sessionlog.Head{Seq: f.w.ledger.seq, Sealed: f.w.ledger.sealed}
	if head.Sealed {
		if err := f.seal(); err != nil { // what was recorded stays; the next Open tries again
			f.cfg.Logf("seal record %s: %v", f.path, err)
		}
	}
	f.mu.Lock()
	f.head = head
	f.keep(took)
	f.signal()
	f.mu.Unlock()
	for i, u := range took {
		at := sessionlog.Head{Seq: u.evs[len(u.evs)-1].Seq}
		at.Sealed = head.Sealed && i == len(took)-1
		u.commit.Resolve(at, nil)
	}
}

// keep puts the newest of what was committed in the tail. f.mu is held.
func (f *File) keep(took []unit) {
	i, old := 0, len(f.w.ends)-tailEvents
	if old > 0 {
		f.tail = tail{}
	}
	start := 0
	for _, u := range took {
		for _, ev := range u.evs {
			if i >= old {
				f.tail.add(ev, f.w.leaves[start:f.w.ends[i]])
			}
			start, i = f.w.ends[i], i+1
		}
	}
	f.tail.trim()
}

// take numbers, salts and encodes the events of u, or leaves no trace.
func (w *writer) take(u unit, clock func() time.Time) error {
	m, leaves, ends := w.ledger.mark(), len(w.leaves), len(w.ends)
	err := w.encode(u.evs, clock)
	if err != nil {
		w.ledger.rollback(m)
		w.leaves, w.ends = w.leaves[:leaves], w.ends[:ends]
	}
	return err
}

func (w *writer) encode(evs []sessionlog.Event, clock func() time.Time) error {
	salt(evs)
	for i := range evs {
		ev := &evs[i]
		if err := w.ledger.take(ev); err != nil {
			return err
		}
		if ev.Time.IsZero() {
			ev.Time = clock()
		}
		ev.Time = ev.Time.Round(0).UTC()
		if !ev.AgentTime.IsZero() {
			ev.AgentTime = ev.AgentTime.Round(0).UTC()
		}
		var err error
		if w.leaves, err = sessionlog.AppendLeaf(w.leaves, *ev); err != nil {
			return err
		}
		w.ends = append(w.ends, len(w.leaves))
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

// insert writes all events of units in one transaction, and a checkpoint if one
// is due.
func (w *writer) insert(units []unit) error {
	if len(units) == 0 {
		return nil
	}
	return w.transact(func() error {
		if err := w.insertEvents(units); err != nil {
			return err
		}
		if err := w.insertEnds(); err != nil {
			return err
		}
		w.proof.add(w.leaves, w.ends)
		if w.proof.due(w.ledger.sealed) {
			return w.insertCheckpoint()
		}
		return nil
	})
}

// checkpoint signs what is not signed yet, in a transaction of its own.
func (w *writer) checkpoint() error {
	if !w.proof.pending() {
		return nil
	}
	w.proof.mark()
	if err := w.transact(w.insertCheckpoint); err != nil {
		w.proof.rollback()
		w.proof.postpone()
		return err
	}
	return nil
}

func (w *writer) transact(do func() error) error {
	if _, err := w.begin.Exec(nil); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = w.commit.Exec(nil)
	}
	if err != nil && !w.c.c.AutoCommit() {
		err = errors.Join(err, w.c.exec("ROLLBACK"))
	}
	return err
}

func (w *writer) insertEvents(units []unit) error {
	leaves := string(w.leaves)
	start, i := 0, 0
	for _, u := range units {
		for _, ev := range u.evs {
			var salt, data any
			if c := ev.Chunk; c != nil {
				salt, data = c.Salt, c.Data
			}
			w.event.set(int64(ev.Seq), leaves[start:w.ends[i]], salt, data)
			start, i = w.ends[i], i+1
			if err := w.event.exec(); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertEnds keeps how long each stream is that the batch made longer.
func (w *writer) insertEnds() error {
	done := make(map[streamKey]bool, 4)
	for _, ch := range w.ledger.undo {
		if done[ch.key] {
			continue
		}
		done[ch.key] = true
		w.stream.set(string(ch.key.step), int64(ch.key.stream), w.ledger.next[ch.key])
		if err := w.stream.exec(); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) insertCheckpoint() error {
	note, edge, hashes, err := w.proof.checkpoint()
	if err != nil {
		return err
	}
	w.note.set(int64(w.proof.tree.Size()), note, edge, hashes)
	return w.note.exec()
}
