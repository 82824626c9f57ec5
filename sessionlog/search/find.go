package search

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
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
	id                           int64 // no event of it or of a later candidate is newer, in milliseconds
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
	for _, p := range parts {
		if f.older(p.last) {
			f.found.More = true
			return nil
		}
		err := c.each(ctx, func(v []driver.Value) (bool, error) {
			return f.consider(ctx, candidate{
				session: sessionlog.SessionID(text(v[0])), client: text(v[1]), endpoint: text(v[2]), technician: text(v[3]),
				step: sessionlog.StepID(text(v[4])), kind: sessionlog.Kind(text(v[5])), stream: sessionlog.Stream(number(v[6])),
				off: number(v[7]), size: number(v[8]), runs: blob(v[9]), id: number(v[10]),
			})
		}, fmt.Sprintf(candidates, p.id), f.p.match, since, until, string(allowed), f.q.Technician)
		if err != nil {
			return err
		}
	}
	return nil
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
	if f.seen[k] || f.skipped[c.session] {
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

// look finds the pattern in a block, as its record has it.
func (f *finder) look(ctx context.Context, c candidate) (hit Hit, ok bool, err error) {
	if err := f.enter(ctx, c); err != nil {
		return hit, false, err
	}
	spans, err := f.load(ctx, c)
	if err != nil {
		return hit, false, err
	}
	var found span
	at, folded, ok := f.p.locate(f.text, f.folded, func(at place) bool {
		found = spanAt(spans, at.start+at.begin)
		return f.inTime(found.time)
	})
	f.folded = folded
	if !ok {
		return hit, false, nil
	}
	hit = Hit{
		Session: c.session, Client: c.client, Endpoint: c.endpoint, Technician: c.technician,
		Step: c.step, Seq: found.seq, Time: found.time, Kind: c.kind, Stream: c.stream,
	}
	hit.Line, hit.Begin, hit.End = at.snippet()
	return hit, true, nil
}

// spanAt returns the span that holds byte n, which one does.
func spanAt(spans []span, n int) span {
	i, _ := slices.BinarySearchFunc(spans, n, func(s span, n int) int {
		if s.end <= n {
			return -1
		}
		return 1
	})
	return spans[i]
}

func (f *finder) inTime(t time.Time) bool {
	return (f.q.Since.IsZero() || !t.Before(f.q.Since)) && (f.q.Until.IsZero() || !t.After(f.q.Until))
}

// enter opens the candidate's record, unless it is the one that is open.
func (f *finder) enter(ctx context.Context, c candidate) error {
	if f.release != nil && f.session == c.session {
		return nil
	}
	f.leave()
	r, release, err := f.open(ctx, c.client, c.session)
	if err != nil {
		return err
	}
	f.session, f.reader, f.release = c.session, r, release
	return nil
}

func (f *finder) leave() {
	if f.release != nil {
		f.release()
	}
	f.release, f.reader = nil, nil
}

// A span says which event a block's text up to end is from.
type span struct {
	end  int
	seq  sessionlog.Seq
	time time.Time
}

// load reads the text of a block from its record into f.text.
func (f *finder) load(ctx context.Context, c candidate) ([]span, error) {
	runs, err := parseRuns(c.runs)
	if err != nil {
		return nil, err
	}
	f.text = f.text[:0]
	var spans []span
	for _, r := range runs {
		for from := r.from; from <= r.to; {
			evs, err := f.reader.Read(ctx, from, int(r.to-from)+1)
			if err != nil {
				return nil, err
			}
			if len(evs) == 0 {
				return nil, fmt.Errorf("record has no event %d, and the index has", from)
			}
			for i := range evs {
				if data := c.of(&evs[i]); len(data) > 0 {
					f.text = append(f.text, data...)
					spans = append(spans, span{len(f.text), evs[i].Seq, evs[i].Time})
				}
			}
			from = evs[len(evs)-1].Seq + 1
		}
	}
	return spans, nil
}

// of returns what of an event is of the block.
func (c *candidate) of(ev *sessionlog.Event) []byte {
	if ev.Kind != c.kind || ev.Step != c.step {
		return nil
	}
	if ev.Chunk == nil {
		return []byte(said(ev))
	}
	if ev.Chunk.Stream != c.stream {
		return nil
	}
	data, start := ev.Chunk.Data, c.off-ev.Chunk.Offset
	end := min(start+c.size, int64(len(data)))
	if start = max(start, 0); start >= end {
		return nil
	}
	return data[start:end]
}
