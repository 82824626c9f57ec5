package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// The most that is kept of one answer. The record has all of it.
const (
	maxTold     = maxBytes * 7 / 8 // about the bytes of its rows and findings in memory
	maxFindings = 500
	maxSaid     = 64
	cellCost    = 32       // bytes of a cell beside its text
	liveRows    = 2_000    // of a live table: the newest
	liveFed     = 64 << 10 // bytes of a live answer after which the fold begins its count anew
)

// A told is what a check has told so far: the fold of its stream of rows, and how
// much evidence there is beside it.
type told struct {
	check.Result
	gone   []int // rows of each table that fell out at its front
	size   int   // about the bytes of rows, findings and what is said
	lost   int   // findings that fell out
	links  int   // edges that were told
	torn   bool  // not all of it was read
	said   []string
	unsaid int // lines of ours that fell out

	evidence int64 // bytes of stdout
	tools    int64 // bytes of stderr
	raw      bool  // the evidence is shown

	next      int64 // the offset of the next bytes of its rows
	begunLine bool  // the last line has not ended
	fed       int   // bytes since the fold began its count
	at        int   // the table that is counted
	counted   int   // rows of it, and findings, that are counted
	found     int
	version   int // changes with all of the above
	laid      laid
}

// add takes the next bytes of the stream of rows.
func (d *told) add(data []byte) {
	d.version++
	for len(data) > 0 {
		n := min(len(data), check.MaxLine)
		d.Add(data[:n])
		d.fed += n
		d.bound()
		again := d.fed > liveFed && data[n-1] == '\n' && d.live()
		if data = data[n:]; again {
			d.again()
		}
	}
}

// live reports whether rows come until somebody ends the check.
func (d *told) live() bool {
	return len(d.Tables) > 0 && d.Tables[len(d.Tables)-1].Live
}

// again goes on with a fold that has taken nothing yet but has all that this one
// keeps: what a fold takes is bounded, and a live answer has no end.
func (d *told) again() {
	d.Result = check.Result{Tables: d.Tables, Findings: d.Findings, End: d.End, Bad: d.Bad}
	d.fed = 0
}

// bound keeps what has come within bounds: of a live answer the newest, of another
// one the first.
func (d *told) bound() {
	d.links += len(d.Edges)
	d.Edges = nil
	for ; d.at < len(d.Tables); d.at++ {
		if d.at == len(d.gone) {
			d.gone, d.counted = append(d.gone, 0), 0
		}
		d.keep(d.at, d.counted)
		if d.counted = len(d.Tables[d.at].Rows); d.at == len(d.Tables)-1 {
			break // more may come
		}
	}
	d.boundFindings()
}

// keep counts the rows of a table from one on, and lets go of those that are too many.
func (d *told) keep(i, from int) {
	t := &d.Tables[i]
	for n := from; n < len(t.Rows); n++ {
		cost := rowCost(t.Rows[n])
		if !t.Live && d.size+cost > maxTold {
			t.More += len(t.Rows) - n
			clear(t.Rows[n:])
			t.Rows = t.Rows[:n]
			return
		}
		d.size += cost
	}
	for over := len(t.Rows) - liveRows; t.Live && len(t.Rows) > 0 && (over >= liveRows/4 || d.size > maxTold); over = len(t.Rows) - liveRows {
		d.dropFront(i, max(over, len(t.Rows)/2, 1))
	}
}

// dropFront lets the first n rows of a table go.
func (d *told) dropFront(i, n int) {
	t := &d.Tables[i]
	for _, row := range t.Rows[:n] {
		d.size -= rowCost(row)
	}
	d.gone[i] += n
	t.Rows = slices.Clone(t.Rows[n:])
}

func (d *told) boundFindings() {
	for n := d.found; n < len(d.Findings); n++ {
		d.size += findingCost(d.Findings[n])
	}
	for len(d.Findings) > 0 && (len(d.Findings) > maxFindings || d.size > maxTold+(64<<10)) {
		at := len(d.Findings) - 1
		if d.live() {
			at = 0
		}
		d.size -= findingCost(d.Findings[at])
		d.Findings = slices.Concat(d.Findings[:at], d.Findings[at+1:])
		d.lost++
	}
	d.found = len(d.Findings)
}

func rowCost(row []any) int {
	n := cellCost
	for _, c := range row {
		n += cellCost
		switch c := c.(type) {
		case string:
			n += len(c)
		case json.Number:
			n += len(c)
		}
	}
	return n
}

func findingCost(f check.Finding) int {
	return 4*cellCost + len(f.Text) + len(f.Param) + len(f.Unit) + len(f.Table) + 8*len(f.Rows)
}

// free lets go of all rows. They are only in the record then.
func (d *told) free() {
	for i := range d.Tables {
		d.dropFront(i, len(d.Tables[i].Rows))
	}
	d.counted = 0
	d.version++
}

// rows returns how many rows are kept.
func (d *told) rows() int {
	n := 0
	for _, t := range d.Tables {
		n += len(t.Rows)
	}
	return n
}

// say adds a line of our own.
func (d *told) say(text string) {
	d.version++
	if len(d.said) == maxSaid {
		d.unsaid++
		return
	}
	d.said = append(d.said, text)
	d.size += len(text) + cellCost
}

// proof returns where the rows that prove f are in their table's kept rows.
func (d *told) proof(f check.Finding) (table int, rows []int) {
	table = slices.IndexFunc(d.Tables, func(t check.Rows) bool { return t.Name == f.Table })
	if table < 0 {
		return -1, nil
	}
	for _, n := range f.Rows {
		if n -= d.gone[table]; n >= 0 && n < len(d.Tables[table].Rows) {
			rows = append(rows, n)
		}
	}
	return table, rows
}

// copied returns d as it is now. What comes in later does not change the copy.
func (d *told) copied() *told {
	c := *d
	c.Tables, c.Findings = slices.Clone(d.Tables), slices.Clone(d.Findings)
	c.gone, c.said = slices.Clone(d.gone), nil
	c.laid = laid{}
	return &c
}

// tell folds bytes of the stream of rows in.
func (t *transcript) tell(b *block, c *sessionlog.Chunk) {
	if b.told == nil { // what it is was not read
		b.told = &told{torn: true}
	}
	if d := b.told; c.Offset != d.next {
		d.torn = true
		if d.begunLine {
			t.onTold(b, func(d *told) { d.add([]byte{'\n'}) })
		}
	}
	b.told.next = c.Offset + int64(len(c.Data))
	b.told.begunLine = len(c.Data) > 0 && c.Data[len(c.Data)-1] != '\n'
	t.onTold(b, func(d *told) { d.add(c.Data) })
}

// retell folds in what a check told before from, as far as that is soon found.
func (t *transcript) retell(ctx context.Context, r sessionlog.Reader, s carriedStep, from sessionlog.Seq) error {
	until := min(from, s.Asked+lookedBack)
	for next := s.Asked + 1; s.Asked > 0 && next < until; {
		evs, err := r.Read(ctx, next, int(until-next))
		if err != nil {
			return fmt.Errorf("read record: %w", err)
		}
		if len(evs) == 0 {
			break
		}
		for _, ev := range evs {
			if ev.Step == s.ID && ev.Seq < from && (ev.Kind == sessionlog.StepOutput || ev.Kind == sessionlog.StepGap) {
				t.apply(ev)
			}
		}
		next = evs[len(evs)-1].Seq + 1
	}
	d := t.byStep[s.ID].told
	d.torn = d.torn || until < from && d.End == nil
	return nil
}

// onTold changes what b's check has told, and counts it.
func (t *transcript) onTold(b *block, change func(*told)) {
	before := b.told.size
	change(b.told)
	t.bytes += b.told.size - before
}

// witness counts evidence.
func (d *told) witness(c *sessionlog.Chunk) {
	d.version++
	if c.Stream == sessionlog.Stderr {
		d.tools += int64(len(c.Data))
		return
	}
	d.evidence += int64(len(c.Data))
}
