package search

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/mattn/go-sqlite3"
)

// A file with other numbers than these is not an index that this code can read.
const (
	appID   = 0x63736978 // "csix"
	version = 1
)

// The words of blocks are in one table for each part: see part.go. A block's id
// is the millisecond of its last event, or the next free one, so that the newest
// come first in a part.
const schema = `
CREATE TABLE record(
  id INTEGER PRIMARY KEY, session TEXT NOT NULL UNIQUE, client TEXT NOT NULL,
  endpoint TEXT NOT NULL, technician TEXT NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE part(
  id INTEGER PRIMARY KEY, blocks INTEGER NOT NULL, bytes INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE block(
  id INTEGER PRIMARY KEY, part INTEGER NOT NULL, record INTEGER NOT NULL,
  step TEXT NOT NULL, kind TEXT NOT NULL, stream INTEGER NOT NULL, off INTEGER NOT NULL,
  len INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, runs BLOB NOT NULL);
CREATE INDEX block_record ON block(record, part);
CREATE INDEX block_part ON block(part);
CREATE TABLE tail(
  record INTEGER NOT NULL, step TEXT NOT NULL, stream INTEGER NOT NULL,
  off INTEGER NOT NULL, text BLOB NOT NULL, pieces BLOB NOT NULL,
  PRIMARY KEY(record, step, stream)) WITHOUT ROWID;
`

// openFile opens the index at path, and begins it anew where what is there is no
// index, is damaged, is of another version, or is worn.
func openFile(path string, logf func(string, ...any)) (*conn, error) {
	c, err := openSound(path)
	if err == nil || !errors.Is(err, ErrDamaged) {
		return c, err
	}
	logf("begin search index %s anew: %v", path, err)
	if err := remove(path); err != nil {
		return nil, err
	}
	return openSound(path)
}

func openSound(path string) (*conn, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // it holds words of all clients
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	c, err := openConn(path, "rw")
	if err == nil {
		err = c.prepareFile()
	}
	if err != nil {
		if e := (sqlite3.Error{}); errors.As(err, &e) && e.Code == sqlite3.ErrError { // a table that is not there
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, errors.Join(asDamage(err), c.close())
	}
	return c, nil
}

// prepareFile makes an empty file an index, and checks any other.
func (c *conn) prepareFile() error {
	if err := c.script("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=4000"); err != nil {
		return err
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	if tables == 0 {
		return c.script(fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", schema, appID, version))
	}
	id, err := c.number("PRAGMA application_id")
	if err != nil {
		return err
	}
	ver, err := c.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	if id != appID || ver != version {
		return fmt.Errorf("%w: is %#x version %d, not %#x version %d", ErrDamaged, id, ver, appID, version)
	}
	return c.checkWear()
}

// checkWear refuses an index of which more than a quarter is words of forgotten
// records: they cannot be taken out of it one by one.
func (c *conn) checkWear() error {
	stored, err := c.number("SELECT sum(blocks) FROM part")
	if err != nil {
		return err
	}
	kept, err := c.number("SELECT count(*) FROM block")
	if err != nil {
		return err
	}
	if gone := stored - kept; gone > stored/4 {
		return fmt.Errorf("%w: %d of %d blocks are of forgotten records", ErrDamaged, gone, stored)
	}
	return nil
}

// remove deletes the file at path and what SQLite keeps beside it.
func remove(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// asDamage adds ErrDamaged to an error that says that the file is no good.
func asDamage(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) || errors.Is(err, ErrDamaged) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrFormat:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
