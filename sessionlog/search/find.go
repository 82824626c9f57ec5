package search

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A Query says what to find.
type Query struct {
	// Text is one line, found as typed but for upper case and runs of blanks.
	// Where it begins with a word, a match does too; its last word may be only
	// begun.
	Text string
	// Clients are those that whoever asks may see. Of all others nothing is read
	// and nothing returned; with no Clients nothing is found.
	Clients []string
	// Client and Technician, if not empty, are the only ones of interest.
	Client, Technician string
	// Only, if not nil, are the only sessions of interest.
	Only map[sessionlog.SessionID]bool
	// Since and Until, if not zero, bound the time of the event that is found.
	Since, Until time.Time
	// Limit is the most hits. If zero, 100.
	Limit int
}

// A Hit is where a query's text stands.
type Hit struct {
	Session    sessionlog.SessionID
	Client     string
	Endpoint   string
	Technician string
	Step       sessionlog.StepID
	Seq        sessionlog.Seq // the event that holds the first byte of the match
	Time       time.Time      // of that event
	Kind       sessionlog.Kind
	Stream     sessionlog.Stream // of step.output
	// Line is the line of the match, or 200 bytes of it: raw, as the endpoint or
	// a person wrote it. Line[Begin:End] is the match.
	Line       string
	Begin, End int
}

// A Result is what Find found.
type Result struct {
	// Hits are the newest, newest first, and one for each stream of a step.
	Hits []Hit
	// More says that there may be others: Limit was reached, or the most blocks
	// that one Find reads.
	More bool
	// Skipped says why a record could not be read, once for each such record.
	Skipped []error
}

// OpenRecord gives Find a record to read, and how to let go of it.
type OpenRecord func(ctx context.Context, client string, session sessionlog.SessionID) (r sessionlog.Reader, release func(), err error)

// Find returns where the text of q stands. A record that cannot be read is passed
// over and named in the result. Find opens one record at a time.
func (x *Index) Find(ctx context.Context, q Query, open OpenRecord) (Result, error) {
	p, err := compile(q.Text)
	if err != nil {
		return Result{}, fmt.Errorf("search: %w", err)
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	clients := slices.DeleteFunc(slices.Clone(q.Clients), func(c string) bool { return q.Client != "" && c != q.Client })
	if len(clients) == 0 {
		return Result{}, nil
	}
	f := &finder{q: q, p: p, open: open, reads: x.cfg.MaxReads, seen: map[seenKey]bool{}}
	defer f.leave()
	if err := x.read(ctx, func(c *conn) error { return f.run(ctx, c, clients) }); err != nil {
		return Result{}, fmt.Errorf("search %q: %w", q.Text, err)
	}
	return f.found, nil
}

// read lends a reading connection to f.
func (x *Index) read(ctx context.Context, f func(*conn) error) error {
	var c *conn
	var ok bool
	select {
	case c, ok = <-x.readers:
		if !ok {
			return ErrClosed
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { x.readers <- c }()
	if c == nil {
		var err error
		if c, err = openConn(x.path, "ro"); err != nil {
			c = nil
			return err
		}
	}
	err := f(c)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if err = asDamage(err); errors.Is(err, ErrDamaged) {
		x.damaged.Store(true)
	}
	return err
}

// A candidate is a block that holds the words of a query.
type candidate struct {
	session                      sessionlog.SessionID
	client, endpoint, technician string
	step                         sessionlog.StepID
	kind                         sessionlog.Kind
	stream                       sessionlog.Stream
	off, size                    int64
	runs                         []byte
	id                           int64 // no event of it or of a later candidate of its part is newer, in milliseconds
	part                         partRange
	begins                       bool // it is none, but says that those of its part follow
}

// candidates are those of one part, newest first, and only of clients that may
// be seen.
const candidates = `
SELECT r.session, r.client, r.endpoint, r.technician, b.step, b.kind, b.stream, b.off, b.len, b.runs, b.id
FROM word%[1]d w CROSS JOIN block b ON b.id = w.docid CROSS JOIN record r ON r.id = b.record
WHERE w.text MATCH ?1 AND w.docid >= ?2 AND b.part = %[1]d AND b.last >= ?2 AND b.first <= ?3
  AND r.client IN (SELECT value FROM json_each(?4)) AND (?5 = '' OR r.technician = ?5)
ORDER BY w.docid DESC`

// seenKey is what a result has at most one hit of.
type seenKey struct {
	session sessionlog.SessionID
	step    sessionlog.StepID
	kind    sessionlog.Kind
	stream  sessionlog.Stream
	note    string // tells notes apart, which are of no step
}

// A finder is one Find.
type finder struct {
	q     Query
	p     pattern
	open  OpenRecord
	reads int // blocks that may still be read
	found Result
	over  atomic.Int64 // the part whose candidates are not wanted any more

	seen    map[seenKey]bool
	skipped map[sessionlog.SessionID]bool

	session sessionlog.SessionID // whose record is open, if release is set
	reader  sessionlog.Reader
	release func()

	text, folded []byte // memory to reuse
}

func (f *finder) run(ctx context.Context, c *conn, clients []string) error {
	allowed, err := json.Marshal(clients)
	if err != nil {
		return err
	}
	since, until := milli(f.q.Since, 0), milli(f.q.Until, math.MaxInt64)
	// One read transaction: a part that is dropped meanwhile is still there.
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	defer c.exec("ROLLBACK") // nothing was written
	parts, err := c.partsWithin(since, until)
	if err != nil {
		return err
	}
	// While one candidate is read from its record, the next ones are looked up.
	lookup, stop := context.WithCancel(ctx)
	found := make(chan candidate, 32)
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(found)
		failed = f.lookUp(lookup, c, parts, found, f.p.match, since, until, string(allowed), f.q.Technician)
	})
	all, err := f.sift(ctx, found)
	stop()
	for range found { // what was looked up meanwhile
	}
	wg.Wait()
	if all && err == nil {
		err = failed
	}
	return err
}

// lookUp sends the candidates of all parts to found.
func (f *finder) lookUp(ctx context.Context, c *conn, parts []partRange, found chan<- candidate, args ...driver.Value) error {
	send := func(c candidate) error {
		select {
		case found <- c:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for _, p := range parts {
		if err := send(candidate{part: p, begins: true}); err != nil {
			return err
		}
		err := c.each(ctx, func(v []driver.Value) (bool, error) {
			return f.over.Load() != p.id, send(candidate{
				session: sessionlog.SessionID(text(v[0])), client: text(v[1]), endpoint: text(v[2]), technician: text(v[3]),
				step: sessionlog.StepID(text(v[4])), kind: sessionlog.Kind(text(v[5])), stream: sessionlog.Stream(number(v[6])),
				off: number(v[7]), size: number(v[8]), runs: slices.Clone(blob(v[9])), id: number(v[10]), part: p,
			})
		}, fmt.Sprintf(candidates, p.id), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// sift keeps what it finds in the candidates, in their order, until there is
// enough. It reports whether it took all of them.
func (f *finder) sift(ctx context.Context, found <-chan candidate) (all bool, err error) {
	for c := range found {
		if c.begins {
			if f.older(c.part.last) {
				f.found.More = true
				return false, nil
			}
			continue
		}
		if f.over.Load() == c.part.id {
			continue
		}
		on, err := f.consider(ctx, c)
		if err != nil || f.reads == 0 && !on {
			return false, err
		}
		if !on {
			f.over.Store(c.part.id)
		}
	}
	return true, nil
}

// older reports whether there are enough hits, and all newer than a time.
func (f *finder) older(milli int64) bool {
	n := len(f.found.Hits)
	return n >= f.q.Limit && milli < f.found.Hits[n-1].Time.UnixMilli()
}

// consider reads a candidate from its record and keeps what it finds. It reports
// whether to go on in its part.
func (f *finder) consider(ctx context.Context, c candidate) (bool, error) {
	k := seenKey{session: c.session, step: c.step, kind: c.kind, stream: c.stream}
	if c.kind == sessionlog.NoteAdded {
		k.note = string(c.runs)
	}
	if f.seen[k] || f.skipped[c.session] || f.q.Only != nil && !f.q.Only[c.session] {
		return true, nil
	}
	if f.older(c.id) || f.reads == 0 {
		f.found.More = true
		return false, nil
	}
	f.reads--
	hit, ok, err := f.look(ctx, c)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil:
		f.skip(c, err)
	case ok:
		f.seen[k] = true
		f.keep(hit)
	}
	return true, nil
}

// keep puts a hit in its place, and lets go of the oldest of too many.
func (f *finder) keep(hit Hit) {
	hits := f.found.Hits
	i := len(hits) // mostly, as candidates are newest first
	for i > 0 && hits[i-1].Time.Before(hit.Time) {
		i--
	}
	f.found.Hits = slices.Insert(hits, i, hit)
	if len(f.found.Hits) > f.q.Limit {
		f.found.Hits = f.found.Hits[:f.q.Limit]
		f.found.More = true
	}
}

func (f *finder) skip(c candidate, err error) {
	if f.skipped == nil {
		f.skipped = map[sessionlog.SessionID]bool{}
	}
	f.skipped[c.session] = true
	f.found.Skipped = append(f.found.Skipped, fmt.Errorf("session %s: %w", c.session, err))
}
