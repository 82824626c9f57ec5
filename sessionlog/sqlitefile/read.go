package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/mattn/go-sqlite3"

	"github.com/caisey/caisey/sessionlog"
)

// What one Read returns at most.
const (
	maxReadEvents = 4096
	maxReadBytes  = 1 << 20
)

// A budget counts what a Read returns.
type budget struct {
	limit, events, bytes int
	spent                bool // an event did not fit
}

// take reports whether an event of n bytes still fits. The first one does.
func (b *budget) take(n int) bool {
	if b.events >= min(b.limit, maxReadEvents) || b.events > 0 && b.bytes+n > maxReadBytes {
		b.spent = true
		return false
	}
	b.events++
	b.bytes += n
	return true
}

// Read implements sessionlog.Reader. It takes from memory what the file does not
// have yet.
func (f *File) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	from = max(from, 1)
	var evs []sessionlog.Event
	for b := (budget{limit: limit}); ; {
		f.mu.Lock()
		head, closing := f.head.Seq, f.closing
		inFile := min(f.inFile, head) // the file may have what is about to be shown
		done := closing || from > head || b.events >= min(limit, maxReadEvents)
		if !done {
			evs, done = f.tail.read(evs, from, &b)
		}
		f.mu.Unlock()
		switch {
		case closing:
			return nil, sessionlog.ErrClosed
		case done:
			return evs, nil
		}
		more, err := f.reader.read(ctx, from, inFile, &b)
		if err != nil {
			return nil, f.readError(err)
		}
		if evs = append(evs, more...); b.spent {
			return evs, nil
		}
		from = evs[len(evs)-1].Seq + 1
	}
}

// Outline implements sessionlog.Reader.
func (f *File) Outline(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	from = max(from, 1)
	f.mu.Lock()
	inFile, closing := min(f.inFile, f.head.Seq), f.closing
	rest := f.tail.outline(max(inFile, from-1))
	f.mu.Unlock()
	if closing {
		return nil, sessionlog.ErrClosed
	}
	b := budget{limit: limit}
	evs, err := f.reader.outline(ctx, from, inFile, &b)
	if err != nil {
		return nil, f.readError(err)
	}
	for _, ev := range rest {
		if b.spent || !b.take(size(ev)) {
			break
		}
		evs = append(evs, ev)
	}
	return evs, nil
}

func (f *File) readError(err error) error {
	if errors.Is(err, sessionlog.ErrClosed) {
		return err
	}
	return fmt.Errorf("read record %s: %w", f.path, err)
}

// A readConn is a connection with the statements that reading takes.
type readConn struct {
	*conn
	st   *sqlite3.SQLiteStmt // all events of a range
	line *sqlite3.SQLiteStmt // those without output
}

func openReadConn(path string, immutable bool) (*readConn, error) {
	c, err := openConn(path, "ro", immutable)
	if err != nil {
		return nil, err
	}
	if err := c.checkSchema(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNotRecord, err), c.close())
	}
	r := &readConn{conn: c}
	r.st, err = c.prepare("SELECT seq, CAST(leaf AS BLOB), salt, data FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?")
	if err == nil {
		r.line, err = c.prepare("SELECT seq, CAST(leaf AS BLOB), NULL, NULL FROM event INDEXED BY outline " +
			"WHERE salt IS NULL AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?")
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (c *readConn) close() error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, st := range []*sqlite3.SQLiteStmt{c.st, c.line} {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(append(errs, c.conn.close())...)
}

// read returns the events of from..to that b has room for.
func (c *readConn) read(ctx context.Context, from, to sessionlog.Seq, b *budget) ([]sessionlog.Event, error) {
	want := from
	evs, err := c.query(ctx, c.st, from, to, b, func(seq sessionlog.Seq) error {
		if seq != want {
			return damaged(want, "is missing")
		}
		want++
		return nil
	})
	if err == nil && len(evs) == 0 && !b.spent {
		return nil, damaged(from, "is missing")
	}
	return evs, err
}

// query returns the events of from..to that st selects and b has room for. check says whether an event may come next.
func (c *readConn) query(ctx context.Context, st *sqlite3.SQLiteStmt, from, to sessionlog.Seq, b *budget,
	check func(sessionlog.Seq) error,
) ([]sessionlog.Event, error) {
	limit := min(b.limit, maxReadEvents)
	rows, err := st.QueryContext(ctx, named([]driver.Value{int64(from), int64(to), int64(limit)}))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var evs []sessionlog.Event
	vals := make([]driver.Value, 4)
	for {
		if err := rows.Next(vals); errors.Is(err, io.EOF) {
			return evs, nil
		} else if err != nil {
			return nil, err
		}
		ev, err := scan(vals)
		if err != nil {
			return nil, err
		}
		if err := check(ev.Seq); err != nil {
			return nil, err
		}
		if !b.take(size(ev)) {
			return evs, nil
		}
		evs = append(evs, ev)
	}
}

// outline returns the events of from..to that are not output, within the limits
// of Read.
func (c *readConn) outline(ctx context.Context, from, to sessionlog.Seq, b *budget) ([]sessionlog.Event, error) {
	return c.query(ctx, c.line, from, to, b, func(seq sessionlog.Seq) error {
		if seq < from || seq > to {
			return damaged(seq, "is out of order in the outline")
		}
		from = seq + 1
		return nil
	})
}

func damaged(seq sessionlog.Seq, what string) error {
	return fmt.Errorf("record is damaged: event %d %s", seq, what)
}

// scan makes the event of a row: seq, leaf, salt and data.
func scan(vals []driver.Value) (sessionlog.Event, error) {
	n, _ := vals[0].(int64)
	seq := sessionlog.Seq(n)
	leaf, _ := vals[1].([]byte)
	ev, err := sessionlog.ParseLeaf(leaf)
	switch {
	case err != nil:
		return ev, damaged(seq, err.Error())
	case ev.Seq != seq:
		return ev, damaged(seq, fmt.Sprintf("says that it is %d", ev.Seq))
	case ev.Chunk == nil:
		return ev, nil
	}
	length, err := sessionlog.OutputLength(ev)
	if err != nil {
		return ev, err
	}
	salt, _ := vals[2].([]byte)
	data, _ := vals[3].([]byte)
	if int64(len(data)) != length || len(salt) != sessionlog.SaltSize {
		return ev, damaged(seq, "is without its output")
	}
	ev.Chunk.Salt, ev.Chunk.Data = salt, data
	return ev, nil
}

// lastEvent returns the newest event without its output; its Seq is 0 if the
// file has none.
func lastEvent(c *conn) (sessionlog.Event, error) {
	vals, err := c.row("SELECT seq, CAST(leaf AS BLOB) FROM event ORDER BY seq DESC LIMIT 1")
	if err != nil || vals == nil {
		return sessionlog.Event{}, err
	}
	seq, _ := vals[0].(int64)
	leaf, _ := vals[1].([]byte)
	ev, err := sessionlog.ParseLeaf(leaf)
	if err != nil || ev.Seq != sessionlog.Seq(seq) {
		return ev, damaged(sessionlog.Seq(seq), "does not parse")
	}
	return ev, nil
}

// A readerSlot holds a File's one read connection, and lends it to one reader at
// a time. It is opened when it is first needed.
type readerSlot struct {
	path      string        // static
	slot      chan struct{} // holds one token: whoever has it owns what follows
	immutable bool
	closed    bool
	c         *readConn
}

func (r *readerSlot) init(path string) {
	r.path, r.slot = path, make(chan struct{}, 1)
	r.slot <- struct{}{}
}

// get returns the connection; the caller has the token, or is alone.
func (r *readerSlot) get() (*readConn, error) {
	if r.c != nil || r.closed {
		return r.c, nil
	}
	c, err := openReadConn(r.path, r.immutable)
	r.c = c
	return c, err
}

func (r *readerSlot) read(ctx context.Context, from, to sessionlog.Seq, b *budget) ([]sessionlog.Event, error) {
	return lend(ctx, r, func(c *readConn) ([]sessionlog.Event, error) { return c.read(ctx, from, to, b) })
}

func (r *readerSlot) outline(ctx context.Context, from, to sessionlog.Seq, b *budget) ([]sessionlog.Event, error) {
	return lend(ctx, r, func(c *readConn) ([]sessionlog.Event, error) { return c.outline(ctx, from, to, b) })
}

// lend gives the connection to one reader.
func lend[T any](ctx context.Context, r *readerSlot, use func(*readConn) (T, error)) (T, error) {
	var none T
	select {
	case <-r.slot:
		defer func() { r.slot <- struct{}{} }()
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	if r.closed {
		return none, sessionlog.ErrClosed
	}
	c, err := r.get()
	if err != nil {
		return none, err
	}
	return use(c)
}

// pause closes the connection and keeps readers out until resume is called.
func (r *readerSlot) pause() (resume func(immutable bool), err error) {
	<-r.slot
	err = r.c.close()
	r.c = nil
	return func(immutable bool) {
		r.immutable = immutable
		r.slot <- struct{}{}
	}, err
}

// shut closes the connection for good.
func (r *readerSlot) shut() error {
	if r.slot == nil {
		return nil
	}
	resume, err := r.pause()
	r.closed = true
	resume(r.immutable)
	return err
}
