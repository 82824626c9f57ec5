package search

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/caisey/caisey/sessionlog"
)

// Errors of an Index.
var (
	// ErrDamaged says that the index's file is no good. Close removes it: open
	// it again, and Add every record from its beginning.
	ErrDamaged = errors.New("search index is damaged")
	// ErrClosed says that the Index was closed.
	ErrClosed = errors.New("search index is closed")
)

// Config says how an Index behaves. The zero value is good.
type Config struct {
	// MaxBlock is the most bytes of text that are looked up, and read from a
	// record, as one. If zero, 64 KiB.
	MaxBlock int
	// MaxPart is the most bytes of text whose words are in one table. If zero,
	// 64 MiB. Less makes rare words slower to find, and more the frequent ones.
	MaxPart int64
	// MaxReads is the most blocks that one Find reads from records. If zero, 1000.
	MaxReads int
	// MaxFinds is how many Finds look into the index at once; more wait. If
	// zero, 4.
	MaxFinds int
	// Logf, if set, is told when a file is begun anew.
	Logf func(format string, args ...any)
}

func (c Config) withDefaults() Config {
	if c.MaxBlock <= 0 {
		c.MaxBlock = 64 << 10
	}
	if c.MaxPart <= 0 {
		c.MaxPart = 64 << 20
	}
	if c.MaxReads <= 0 {
		c.MaxReads = 1000
	}
	if c.MaxFinds <= 0 {
		c.MaxFinds = 4
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	return c
}

// An Index finds words in records. Its methods may be called concurrently; one
// process has its file open at a time.
type Index struct {
	path string // static
	cfg  Config // static

	// readers holds MaxFinds places for connections, nil where none is open yet.
	// Close takes them all.
	readers chan *conn

	damaged atomic.Bool // Close removes the file

	mu      sync.Mutex // guards what follows, and is held while writing
	w       *conn      // nil once closed
	scratch []byte
}

// Open opens the index at path, or makes it. A file that is damaged, of another
// version, or mostly of forgotten records is removed and begun anew; Position
// then says so of each record.
func Open(path string, cfg Config) (*Index, error) {
	cfg = cfg.withDefaults()
	w, err := openFile(path, cfg.Logf)
	if err != nil {
		return nil, fmt.Errorf("open search index %s: %w", path, err)
	}
	x := &Index{path: path, cfg: cfg, w: w, readers: make(chan *conn, cfg.MaxFinds)}
	for range cfg.MaxFinds {
		x.readers <- nil
	}
	return x, nil
}

// Close waits for Finds and releases the index.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.w == nil {
		return nil
	}
	var errs []error
	for range x.cfg.MaxFinds {
		errs = append(errs, (<-x.readers).close())
	}
	close(x.readers) // a Find gets nil, false
	errs = append(errs, x.w.close())
	x.w = nil
	if x.damaged.Load() {
		errs = append(errs, remove(x.path))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close search index %s: %w", x.path, err)
	}
	return nil
}

// Position returns the newest event of the session that the index has read; 0 if
// it has read none. The next Add begins behind it.
func (x *Index) Position(session sessionlog.SessionID) (sessionlog.Seq, error) {
	var seq int64
	err := x.write(func(c *conn) (err error) {
		seq, err = c.number("SELECT seq FROM record WHERE session = ?", string(session))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look up session %s in search index: %w", session, err)
	}
	return sessionlog.Seq(seq), nil
}

// Forget makes what the index has of a session impossible to find. Its words stay
// in the file until all records of their part are forgotten, or until Open begins
// a file anew that is a quarter such words; where they must go at once, delete the
// file.
func (x *Index) Forget(session sessionlog.SessionID) error {
	err := x.write(func(c *conn) error {
		return c.within(func() error { return c.forget(session) })
	})
	if err != nil {
		return fmt.Errorf("forget session %s in search index: %w", session, err)
	}
	return nil
}

func (c *conn) forget(session sessionlog.SessionID) error {
	id, err := c.number("SELECT id FROM record WHERE session = ?", string(session))
	if err != nil || id == 0 {
		return err
	}
	parts, err := c.rows("SELECT DISTINCT part FROM block WHERE record = ?", id)
	if err != nil {
		return err
	}
	for _, q := range []string{
		"DELETE FROM block WHERE record = ?",
		"DELETE FROM tail WHERE record = ?",
		"DELETE FROM record WHERE id = ?",
	} {
		if _, err := c.exec(q, id); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if err := c.dropEmpty(number(p[0])); err != nil {
			return err
		}
	}
	return nil
}

// write gives the writing connection to f.
func (x *Index) write(f func(*conn) error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.w == nil {
		return ErrClosed
	}
	err := asDamage(f(x.w))
	if errors.Is(err, ErrDamaged) {
		x.damaged.Store(true)
	}
	return err
}
