package search

import (
	"context"
	"fmt"

	"github.com/caisey/caisey/sessionlog"
)

// A Record says whose events are added. It is kept as the first Add gives it.
type Record struct {
	Session    sessionlog.SessionID
	Client     string
	Endpoint   string // the endpoint's name within its client
	Technician string
}

// Add reads the next events of a record, in their order and without any left
// out. Events that the index has read already are passed over, so after an error
// or a crash the same events can be added again. All of evs is found from when
// Add returns, but for a line that has not ended: that is found when it, its step
// or its session ends. An Add is one commit and begins new blocks: give it what a
// second brought, or what one Read returns, not each event.
func (x *Index) Add(ctx context.Context, rec Record, evs []sessionlog.Event) error {
	err := x.write(func(c *conn) error {
		return c.within(func() error {
			a := adder{x: x, c: c, open: map[key]*block{}}
			return a.add(ctx, rec, evs)
		})
	})
	if err != nil {
		return fmt.Errorf("add session %s to search index: %w", rec.Session, err)
	}
	return nil
}

// A key names one stream of one step.
type key struct {
	step   sessionlog.StepID
	stream sessionlog.Stream
}

// An adder is one Add. Index.mu is held.
type adder struct {
	x      *Index
	c      *conn
	record int64
	open   map[key]*block // streams that this Add or an earlier one left open
	order  []key          // of open
	lastID int64
}

func (a *adder) add(ctx context.Context, rec Record, evs []sessionlog.Event) error {
	seq, err := a.begin(rec)
	if err != nil {
		return err
	}
	for i := range evs {
		ev := &evs[i]
		switch {
		case ev.Seq <= seq:
			continue
		case ev.Seq != seq+1:
			return fmt.Errorf("event %d does not follow %d", ev.Seq, seq)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if err := a.event(ev); err != nil {
			return err
		}
		seq = ev.Seq
	}
	if err := a.suspend(); err != nil {
		return err
	}
	_, err = a.c.exec("UPDATE record SET seq = ? WHERE id = ?", int64(seq), a.record)
	return err
}

// begin finds the record, or enters it, and returns how far it was read.
func (a *adder) begin(rec Record) (sessionlog.Seq, error) {
	vals, err := a.c.row("SELECT id, seq FROM record WHERE session = ?", string(rec.Session))
	if err != nil {
		return 0, err
	}
	if vals != nil {
		a.record = number(vals[0])
		return sessionlog.Seq(number(vals[1])), nil
	}
	a.record, err = a.c.exec("INSERT INTO record(session, client, endpoint, technician, seq) VALUES(?, ?, ?, ?, 0)",
		string(rec.Session), rec.Client, rec.Endpoint, rec.Technician)
	return 0, err
}

func (a *adder) event(ev *sessionlog.Event) error {
	switch ev.Kind {
	case sessionlog.StepRequested, sessionlog.NoteAdded:
		if said := said(ev); said != "" {
			b := &block{step: ev.Step, kind: ev.Kind}
			b.add(ev, []byte(said))
			return a.store(b)
		}
	case sessionlog.StepOutput:
		if ev.Chunk != nil {
			return a.output(ev)
		}
	case sessionlog.StepEnded:
		for _, s := range []sessionlog.Stream{sessionlog.Stdout, sessionlog.Stderr, sessionlog.RowStream} {
			if err := a.end(key{ev.Step, s}); err != nil {
				return err
			}
		}
	case sessionlog.SessionClosed:
		return a.endAll()
	}
	return nil
}

// said returns the text of an event that is a command or a note. A body that is
// not that of its kind has none: it is in the record all the same.
func said(ev *sessionlog.Event) string {
	switch ev.Kind {
	case sessionlog.StepRequested:
		var body sessionlog.Requested
		if ev.Decode(&body) == nil {
			return body.Command
		}
	case sessionlog.NoteAdded:
		var body sessionlog.Note
		if ev.Decode(&body) == nil {
			return body.Text
		}
	}
	return ""
}

func (a *adder) output(ev *sessionlog.Event) error {
	k := key{ev.Step, ev.Chunk.Stream}
	b, err := a.block(k)
	if err != nil {
		return err
	}
	if len(b.text) > 0 && b.off+int64(len(b.text)) != ev.Chunk.Offset { // behind a gap
		if err := a.store(b.cut(len(b.text))); err != nil {
			return err
		}
	}
	if len(b.text) == 0 {
		b.off = ev.Chunk.Offset
	}
	for data := ev.Chunk.Data; len(data) > 0; {
		if n := min(len(data), a.x.cfg.MaxBlock-len(b.text)); n > 0 { // a tail may be of a larger MaxBlock
			b.add(ev, data[:n])
			data = data[n:]
		}
		if len(b.text) < a.x.cfg.MaxBlock {
			continue
		}
		cut := lineEnd(b.text)
		if cut == 0 {
			cut = wordEnd(b.text)
		}
		if cut == 0 { // one word, as long as a block
			cut = len(b.text)
		}
		if err := a.store(b.cut(cut)); err != nil {
			return err
		}
	}
	return nil
}

// block returns the open block of a stream, with what an earlier Add kept of it.
func (a *adder) block(k key) (*block, error) {
	if b := a.open[k]; b != nil {
		return b, nil
	}
	b := &block{step: k.step, kind: sessionlog.StepOutput, stream: k.stream}
	vals, err := a.c.row("SELECT off, text, pieces FROM tail WHERE record = ? AND step = ? AND stream = ?",
		a.record, string(k.step), int64(k.stream))
	if err != nil {
		return nil, err
	}
	if vals != nil {
		b.off, b.text, b.stored = number(vals[0]), blob(vals[1]), true
		if b.pieces, err = decodePieces(blob(vals[2])); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	a.open[k] = b
	a.order = append(a.order, k)
	return b, nil
}

// end stores all that is open of a stream.
func (a *adder) end(k key) error {
	b, err := a.block(k)
	if err != nil || len(b.text) == 0 {
		return err
	}
	return a.store(b.cut(len(b.text)))
}

func (a *adder) endAll() error {
	var keys []key
	vals, err := a.c.rows("SELECT step, stream FROM tail WHERE record = ?", a.record)
	if err != nil {
		return err
	}
	for _, v := range vals {
		keys = append(keys, key{sessionlog.StepID(text(v[0])), sessionlog.Stream(number(v[1]))})
	}
	for _, k := range append(keys, a.order...) { // a second end finds nothing
		if err := a.end(k); err != nil {
			return err
		}
	}
	return nil
}

// suspend stores the whole lines of all that is open, and keeps the rest for the
// next Add.
func (a *adder) suspend() error {
	for _, k := range a.order {
		b := a.open[k]
		if n := lineEnd(b.text); n > 0 {
			if err := a.store(b.cut(n)); err != nil {
				return err
			}
		}
		var err error
		switch {
		case len(b.text) > 0:
			_, err = a.c.exec("INSERT OR REPLACE INTO tail(record, step, stream, off, text, pieces) VALUES(?, ?, ?, ?, ?, ?)",
				a.record, string(b.step), int64(b.stream), b.off, b.text, encodePieces(b.pieces))
		case b.stored:
			_, err = a.c.exec("DELETE FROM tail WHERE record = ? AND step = ? AND stream = ?",
				a.record, string(b.step), int64(b.stream))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// store enters a block and its words.
func (a *adder) store(b *block) error {
	first, last := b.pieces[0].time, b.pieces[0].time
	for _, p := range b.pieces {
		first, last = min(first, p.time), max(last, p.time)
	}
	id, err := a.freeID(last)
	if err != nil {
		return err
	}
	part, err := a.c.partFor(a.x.cfg.MaxPart)
	if err != nil {
		return err
	}
	_, err = a.c.exec("INSERT INTO block(id, part, record, step, kind, stream, off, len, first, last, runs) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		id, part, a.record, string(b.step), string(b.kind), int64(b.stream), b.off, int64(len(b.text)), first, last, b.runs())
	if err != nil {
		return err
	}
	a.x.scratch = words(fold(a.x.scratch[:0], b.text, nil))
	return a.c.enter(part, id, b, first, last, a.x.scratch)
}

// freeID returns the first number from at on that no block has. If a forgotten
// block had it, that one's words lead to this one too, and Find does not find
// them there.
func (a *adder) freeID(at int64) (int64, error) {
	id := max(at, a.lastID+1, 1)
	for {
		taken, err := a.c.number("SELECT count(*) FROM block WHERE id = ?", id)
		if err != nil {
			return 0, err
		}
		if taken == 0 {
			a.lastID = id
			return id, nil
		}
		id++
	}
}
