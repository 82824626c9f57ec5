package foreign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A Record is a record that a child process reads. It shows what the record had
// when it was opened. Its methods may be called concurrently.
type Record struct {
	path  string
	child *child
	head  sessionlog.Head // static after Open
}

var _ sessionlog.Reader = (*Record)(nil)

// Open opens the record at path for reading. Its errors are those of
// sqlitefile.OpenFile. Whoever gets a Record closes it; when ctx ends, its child
// is killed, and reading fails from then on.
func Open(ctx context.Context, path string) (*Record, error) {
	r, err := starter{word: word, patience: patience}.open(ctx, path)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// patience is how long an answer may take. A child that takes longer is killed.
const patience = 60 * time.Second

// A starter says how a child is started.
type starter struct {
	word     string
	patience time.Duration
}

func (s starter) open(ctx context.Context, path string) (*Record, error) {
	if len(os.Args) > 1 && os.Args[1] == s.word {
		return nil, fmt.Errorf("open record %s: a child may not start another: does this program call Serve?", path)
	}
	c, err := s.start(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open record %s: start its reader: %w", path, err)
	}
	r := &Record{path: path, child: c}
	a, err := r.ask(ctx, "Open", ask{})
	if err == nil {
		u := a.Packed.unpack()
		r.head = sessionlog.Head{Seq: sessionlog.Seq(u.num()), Sealed: u.num() == 1}
		err = r.checked(u.end())
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Head implements sessionlog.Reader.
func (r *Record) Head() sessionlog.Head { return r.head }

// Read implements sessionlog.Reader. Output that is not what was recorded is an
// error.
func (r *Record) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	if from > r.head.Seq || limit < 1 {
		return nil, nil
	}
	return list(ctx, r, "Read", ask{From: from, Limit: limit}, (*unpacker).event, seqOfEvent)
}

// Outline implements sessionlog.Reader.
func (r *Record) Outline(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	return list(ctx, r, "Outline", ask{From: from, Limit: limit}, (*unpacker).event, seqOfEvent)
}

// Rows returns what the file has of events from seq on, without a look at it: see
// verify.Source.
func (r *Record) Rows(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Row, error) {
	return list(ctx, r, "Rows", ask{From: from, Limit: limit}, (*unpacker).row,
		func(row sessionlog.Row) sessionlog.Seq { return row.Seq })
}

// Marks returns the checkpoints of more than after events, at most limit.
func (r *Record) Marks(ctx context.Context, after sessionlog.Seq, limit int) ([]sessionlog.Mark, error) {
	return list(ctx, r, "Marks", ask{From: after + 1, Limit: limit}, (*unpacker).mark,
		func(m sessionlog.Mark) sessionlog.Seq { return m.Size })
}

// Wait implements sessionlog.Reader: it returns what is there, or ErrClosed as
// nothing will follow.
func (r *Record) Wait(_ context.Context, after sessionlog.Seq) (sessionlog.Head, error) {
	if r.head.Seq > after || r.head.Sealed {
		return r.head, nil
	}
	return r.head, sessionlog.ErrClosed
}

// Close ends the child, and returns once it is gone.
func (r *Record) Close() error {
	r.child.close()
	return nil
}

func seqOfEvent(ev sessionlog.Event) sessionlog.Seq { return ev.Seq }

// ask has the child answer one question.
func (r *Record) ask(ctx context.Context, method string, q ask) (*answer, error) {
	a, err := r.child.call(ctx, method, q)
	switch {
	case errors.Is(err, sessionlog.ErrClosed):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("read record %s: %w", r.path, err)
	case a.Fault != nil:
		return nil, a.Fault.err()
	}
	return a, nil
}

// checked says of which record err is.
func (r *Record) checked(err error) error {
	if err != nil {
		return fmt.Errorf("read record %s: its reader answered nonsense (%w); the file is damaged or hostile", r.path, err)
	}
	return nil
}

// list asks for things that have a number each, and takes them only in order: a
// file whose rows are in disorder must not lead its reader in a circle.
func list[T any](ctx context.Context, r *Record, method string, q ask,
	next func(*unpacker) T, number func(T) sessionlog.Seq,
) ([]T, error) {
	q.From = max(q.From, 1)
	a, err := r.ask(ctx, method, q)
	if err != nil {
		return nil, err
	}
	u := a.Packed.unpack()
	n := int(min(u.num(), 1<<31-1))
	if n > max(q.Limit, 0) {
		return nil, r.checked(fmt.Errorf("%d things where %d were asked for", n, q.Limit))
	}
	var all []T
	for want := q.From; len(all) < n && !u.short; {
		v := next(u)
		if seq := number(v); seq < want {
			return nil, fmt.Errorf("read record %s: record is damaged: number %d comes where %d or more must", r.path, seq, want)
		} else {
			want = seq + 1
		}
		all = append(all, v)
	}
	return all, r.checked(u.end())
}
