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
}

// take reports whether an event of n bytes still fits. The first one does.
func (b *budget) take(n int) bool {
	if b.events >= min(b.limit, maxReadEvents) || b.events > 0 && b.bytes+n > maxReadBytes {
		return false
	}
	b.events++
	b.bytes += n
	return true
}

// Read implements sessionlog.Reader.
func (f *File) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	from = max(from, 1)
	f.mu.Lock()
	head, closing := f.head.Seq, f.closing
	var evs []sessionlog.Event
	done := closing || from > head || limit < 1
	if !done {
		evs, done = f.tail.read(from, limit)
	}
	f.mu.Unlock()
	switch {
	case closing:
		return nil, sessionlog.ErrClosed
	case done:
		return evs, nil
	}
	evs, err := f.reader.read(ctx, from, head, limit)
	if err != nil && !errors.Is(err, sessionlog.ErrClosed) {
		return nil, fmt.Errorf("read record %s: %w", f.path, err)
	}
	return evs, err
}

// A readConn is a connection with the one statement that reading takes.
type readConn struct {
	*conn
	st *sqlite3.SQLiteStmt
}

func openReadConn(path string, immutable bool) (*readConn, error) {
	c, err := openConn(path, "ro", immutable)
	if err != nil {
		return nil, err
	}
	if err := c.checkSchema(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNotRecord, err), c.close())
	}
	st, err := c.prepare(`SELECT e.seq, CAST(e.leaf AS BLOB), c.step, c.stream, c.off, c.salt, c.data
		FROM event e LEFT JOIN chunk c ON c.seq = e.seq WHERE e.seq BETWEEN ? AND ? ORDER BY e.seq LIMIT ?`)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &readConn{conn: c, st: st}, nil
}

func (c *readConn) close() error {
	if c == nil {
		return nil
	}
	return errors.Join(c.st.Close(), c.conn.close())
}

// read returns the events of from..to within the limits of Read.
func (c *readConn) read(ctx context.Context, from, to sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	limit = min(limit, maxReadEvents)
	rows, err := c.st.QueryContext(ctx, named([]driver.Value{int64(from), int64(to), int64(limit)}))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var evs []sessionlog.Event
	b := budget{limit: limit}
	vals := make([]driver.Value, 7)
	for want := from; ; want++ {
		if err := rows.Next(vals); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		ev, err := scan(vals, want)
		if err != nil {
			return nil, err
		}
		if !b.take(size(ev)) {
			break
		}
		evs = append(evs, ev)
	}
	if len(evs) == 0 {
		return nil, damaged(from, "is missing")
	}
	return evs, nil
}

func damaged(seq sessionlog.Seq, what string) error {
	return fmt.Errorf("record is damaged: event %d %s", seq, what)
}

// scan makes the event of a row, which must be event want.
func scan(vals []driver.Value, want sessionlog.Seq) (sessionlog.Event, error) {
	leaf, ok := vals[1].([]byte)
	if seq, _ := vals[0].(int64); !ok || sessionlog.Seq(seq) != want {
		return sessionlog.Event{}, damaged(want, "is missing")
	}
	ev, err := sessionlog.ParseLeaf(leaf)
	switch {
	case err != nil:
		return ev, damaged(want, err.Error())
	case ev.Seq != want:
		return ev, damaged(want, fmt.Sprintf("says that it is %d", ev.Seq))
	case ev.Chunk == nil:
		return ev, nil
	}
	n, err := sessionlog.OutputLength(ev)
	if err != nil {
		return ev, err
	}
	c := ev.Chunk
	step, _ := vals[2].(string)
	stream, _ := vals[3].(int64)
	off, _ := vals[4].(int64)
	salt, _ := vals[5].([]byte)
	data, ok := vals[6].([]byte)
	if !ok || int64(len(data)) != n || sessionlog.StepID(step) != ev.Step || stream != int64(c.Stream) || off != c.Offset {
		return ev, damaged(want, "is without its output")
	}
	c.Salt, c.Data = salt, data
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

func (r *readerSlot) read(ctx context.Context, from, to sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	select {
	case <-r.slot:
		defer func() { r.slot <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if r.closed {
		return nil, sessionlog.ErrClosed
	}
	c, err := r.get()
	if err != nil {
		return nil, err
	}
	return c.read(ctx, from, to, limit)
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
