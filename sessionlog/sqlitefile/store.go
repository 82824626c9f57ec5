package sqlitefile

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/sessionlog"
)

// What PRAGMA synchronous is set to. With lazy a commit may be lost with the
// power, though never in part: for what the journal has. With full it is durable.
const (
	lazy = "NORMAL"
	full = "FULL"
)

// A store is a record's SQLite file as its writers use it. Whoever has File.turn
// owns it.
type store struct {
	path   string
	c      *conn // nil once the record is sealed, or closed
	proof  proof
	level  string // what PRAGMA synchronous is set to
	fixed  string // what it is set to instead, if not empty: for tests
	seq    sessionlog.Seq
	sealed bool
	pages  int // in the WAL since it was last copied into the file, about
	// broken is the error of the disk after which nobody knows what is on it: the
	// file takes nothing more until it is opened again.
	broken error

	event  *rowInsert
	stream *insert
	note   *insert
	begin  *sqlite3.SQLiteStmt
	commit *sqlite3.SQLiteStmt
	end    *sqlite3.SQLiteStmt // the end of a stream's output
}

func (s *store) open(path, synchronous string, signer note.Signer) (err error) {
	s.path, s.fixed = path, synchronous
	if s.c, err = openConn(path, "rw", false); err != nil {
		return err
	}
	if err := s.c.checkSchema(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotRecord, err)
	}
	if err := errors.Join(s.c.want("PRAGMA synchronous", int64(2)), s.c.want("PRAGMA journal_mode", "wal")); err != nil {
		return err
	}
	s.level = full
	if err := s.c.exec("PRAGMA wal_autocheckpoint=0"); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	ev, err := lastEvent(s.c)
	if err != nil {
		return err
	}
	s.seq, s.sealed = ev.Seq, ev.Kind == sessionlog.SessionClosed
	return s.proof.load(s.c, signer, path, ev.Seq)
}

func (s *store) prepare() (err error) {
	stmt := func(query string) *sqlite3.SQLiteStmt {
		st, e := s.c.prepare(query)
		err = errors.Join(err, e)
		return st
	}
	s.begin, s.commit = stmt("BEGIN IMMEDIATE"), stmt("COMMIT")
	s.event = newRowInsert(stmt, "INSERT INTO event (seq, leaf, salt, data) VALUES ", 4)
	s.stream = newInsert(stmt("INSERT INTO stream (step, stream, bytes) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bytes = excluded.bytes"), 3)
	s.note = newInsert(stmt("INSERT INTO checkpoint (size, note, edge, hashes) VALUES (?, ?, ?, ?)"), 4)
	s.end = stmt("SELECT bytes FROM stream WHERE step = ? AND stream = ?")
	return err
}

func (s *store) close() error {
	err := errors.Join(s.closeStmts(), s.c.close())
	s.c = nil
	return err
}

func (s *store) closeStmts() error {
	var errs []error
	for _, st := range append(s.event.stmts(), s.begin, s.commit, s.end, s.stream.stmt(), s.note.stmt()) {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	s.begin, s.commit, s.end, s.event, s.stream, s.note = nil, nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// streamEnd returns how long a stream is so far, with its gaps.
func (s *store) streamEnd(key streamKey) (int64, error) {
	rows, err := s.end.Query([]driver.Value{string(key.step), int64(key.stream)})
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

// insert writes batches in one transaction, and checkpoints where they are due,
// or at the end if sign is set. It is durable if level is full.
func (s *store) insert(level string, sign bool, batches ...*batch) error {
	if err := errors.Join(s.broken, s.set(level)); err != nil {
		return err
	}
	s.proof.mark()
	err := s.transact(func() error {
		for i, b := range batches {
			if err := s.insertBatch(b); err != nil {
				return err
			}
			if s.proof.due(b.sealed) || sign && i == len(batches)-1 && s.proof.pending() {
				if err := s.insertCheckpoint(); err != nil {
					return err
				}
			}
		}
		if len(batches) == 0 && s.proof.pending() {
			return s.insertCheckpoint()
		}
		return nil
	})
	if err != nil {
		s.proof.rollback()
		if isBroken(err) {
			s.broken = err
		}
		return err
	}
	for _, b := range batches {
		s.seq, s.sealed = b.last, b.sealed
		s.pages += b.size() / pageSize
	}
	s.pages += commitPages
	s.copyWAL()
	return nil
}

// The WAL is copied into the file after about copyPages pages. A commit writes about
// commitPages of them beside its rows.
const (
	pageSize    = 4096
	commitPages = 6
	copyPages   = 1000
)

// copyWAL copies the WAL into the file when it is time. SQLite would do it by itself,
// but passes over an error of the disk, after which nobody knows what is on it. What
// was committed stays committed; a full disk only makes the WAL longer.
func (s *store) copyWAL() {
	if s.pages < copyPages {
		return
	}
	s.pages = 0
	if err := s.c.exec("PRAGMA wal_checkpoint(PASSIVE)"); isBroken(err) {
		s.broken = err
	}
}

// set sets how durable the next commits are.
func (s *store) set(level string) error {
	if s.fixed != "" {
		level = s.fixed
	}
	if s.level == level {
		return nil
	}
	if err := s.c.exec("PRAGMA synchronous=" + level); err != nil {
		return err
	}
	s.level = level
	return nil
}

func (s *store) transact(do func() error) error {
	if _, err := s.begin.Exec(nil); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = s.commit.Exec(nil)
	}
	if err != nil && !s.c.c.AutoCommit() {
		err = errors.Join(err, s.c.exec("ROLLBACK"))
	}
	return err
}

func (s *store) insertBatch(b *batch) error {
	err := b.each(func(ev *sessionlog.Event, leaf []byte) error {
		if c := ev.Chunk; c != nil {
			return s.event.add(int64(ev.Seq), text(leaf), c.Salt, c.Data)
		}
		return s.event.add(int64(ev.Seq), text(leaf), nil, nil)
	})
	if err = errors.Join(err, s.event.flush()); err != nil {
		return err
	}
	s.proof.add(b.hashes)
	for _, ch := range b.grown {
		s.stream.set(string(ch.key.step), int64(ch.key.stream), ch.off)
		if err := s.stream.exec(); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) insertCheckpoint() error {
	note, edge, hashes, err := s.proof.checkpoint()
	if err != nil {
		return err
	}
	s.note.set(int64(s.proof.tree.Size()), note, edge, hashes)
	return s.note.exec()
}

// sync makes durable what was committed lazily. The WAL is all that there is to
// flush: SQLite flushes it, and the file, before it starts it anew, and its name
// when it makes it.
func (s *store) sync() error {
	if s.fixed != "" || s.broken != nil {
		return s.broken
	}
	f, err := os.OpenFile(s.path+"-wal", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // all is in the file
	}
	if err != nil {
		return err
	}
	s.broken = errors.Join(f.Sync(), f.Close())
	return s.broken
}

// isBroken reports whether err is one of the disk that is not just full.
func isBroken(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrIoErr && !isFull(err)
}
