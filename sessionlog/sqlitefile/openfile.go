package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caisey/caisey/sessionlog"
)

// A Record is a record that is only read, from anywhere. It trusts nothing in
// the file: all output is checked against the commitment in its event. It does
// not follow a live record: its head is what it was at OpenFile.
type Record struct {
	path   string
	fd     *os.File
	reader readerSlot
	head   sessionlog.Head
}

var _ sessionlog.Reader = (*Record)(nil)

// OpenFile opens the record at path for reading. It must not be one that this
// process has open through a Dir.
func OpenFile(path string) (*Record, error) {
	r, err := openRecord(path)
	if err != nil {
		return nil, fmt.Errorf("open record %s: %w", path, err)
	}
	return r, nil
}

func openRecord(path string) (*Record, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() { // opening a pipe would wait
		return nil, fmt.Errorf("%w: not a regular file", ErrNotRecord)
	}
	fd, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	r := &Record{path: path, fd: fd}
	if err := r.start(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Record) start() error {
	h, err := readHeader(r.fd)
	if err != nil {
		return err
	}
	r.reader.init(r.path)
	r.reader.immutable = !h.wal
	c, err := r.reader.get()
	if err != nil && h.wal && !errors.Is(err, ErrNotRecord) {
		c, err = r.openWithoutWAL(err)
	}
	if err != nil {
		return err
	}
	ev, err := lastEvent(c.conn)
	if err != nil {
		return err
	}
	r.head = sessionlog.Head{Seq: ev.Seq, Sealed: ev.Kind == sessionlog.SessionClosed}
	return nil
}

// openWithoutWAL opens a record that was never sealed where SQLite cannot make
// the files that it needs to read a WAL.
func (r *Record) openWithoutWAL(cause error) (*readConn, error) {
	if st, err := os.Stat(r.path + "-wal"); err == nil && st.Size() > 0 {
		return nil, fmt.Errorf("record is not sealed and has a journal beside it: copy it together with its -wal file "+
			"to a directory that you may write, and open it there: %w", cause)
	}
	r.reader.immutable = true
	return r.reader.get()
}

// Head implements sessionlog.Reader.
func (r *Record) Head() sessionlog.Head { return r.head }

// Read implements sessionlog.Reader. Output that is not what was recorded is an
// error.
func (r *Record) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	from = max(from, 1)
	if from > r.head.Seq || limit < 1 {
		return nil, nil
	}
	evs, err := r.reader.read(ctx, from, r.head.Seq, &budget{limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read record %s: %w", r.path, err)
	}
	for _, ev := range evs {
		if err := sessionlog.VerifyChunk(ev); err != nil {
			return nil, fmt.Errorf("read record %s: record is damaged: %w", r.path, err)
		}
	}
	return evs, nil
}

// Outline implements sessionlog.Reader.
func (r *Record) Outline(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	evs, err := r.reader.outline(ctx, max(from, 1), r.head.Seq, &budget{limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read record %s: %w", r.path, err)
	}
	return evs, nil
}

// Wait implements sessionlog.Reader: it returns what is there, or ErrClosed as
// nothing will follow.
func (r *Record) Wait(_ context.Context, after sessionlog.Seq) (sessionlog.Head, error) {
	if r.head.Seq > after || r.head.Sealed {
		return r.head, nil
	}
	return r.head, sessionlog.ErrClosed
}

// Close releases the record.
func (r *Record) Close() error { return errors.Join(r.reader.shut(), r.fd.Close()) }
