package sqlitefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// seal turns a file whose last event is session.closed into one self-contained,
// read-only file. The caller has the turn, or is alone.
func (f *File) seal() error {
	resume, err := f.reader.pause()
	if err == nil {
		err = f.s.seal()
	}
	err = errors.Join(err, f.s.close())
	if err == nil {
		err = f.protect()
	}
	resume(err == nil)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// protect makes the file read-only, if it is not yet.
func (f *File) protect() error {
	st, err := f.fd.Stat()
	if err != nil || st.Mode().Perm()&0o222 == 0 {
		return err
	}
	return errors.Join(f.fd.Chmod(0o400), f.fd.Sync())
}

// rollBack undoes a change of the journal mode that a crash cut short, and
// returns the header again.
func (f *File) rollBack() (header, error) {
	if _, err := os.Lstat(f.path + "-journal"); errors.Is(err, fs.ErrNotExist) {
		return readHeader(f.fd)
	}
	c, err := openConn(f.path, "rw", false)
	if err != nil {
		return header{}, err
	}
	if err := errors.Join(c.checkSchema(), c.close()); err != nil { // any read lets SQLite do it
		return header{}, err
	}
	return readHeader(f.fd)
}

func (s *store) seal() error {
	if err := s.closeStmts(); err != nil { // open statements keep the mode from changing
		return err
	}
	// Another process that reads the file now keeps it from changing its mode.
	if err := s.c.exec("PRAGMA busy_timeout=1000"); err != nil {
		return err
	}
	if err := s.c.want("PRAGMA wal_checkpoint(TRUNCATE)", int64(0)); err != nil {
		return err
	}
	return s.c.want("PRAGMA journal_mode=DELETE", "delete")
}
