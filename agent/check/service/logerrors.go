//go:build linux || windows

package service

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A record is a line of a log as a row has it.
type record struct {
	time    time.Time
	source  string
	id      string
	level   string // crit, error, warning or info; empty if not known
	message string
	number  string // the record's own number or cursor
}

// recordColumns are the columns of a record's row.
func recordColumns() []check.Column {
	return []check.Column{
		{Name: "time", Type: shape.Time},
		{Name: "source", Type: shape.Text},
		{Name: "id", Type: shape.Text},
		{Name: "level", Type: shape.Text},
		{Name: "message", Type: shape.Text},
		{Name: "record", Type: shape.Text},
	}
}

func (r record) row() []any {
	return []any{r.time, text(r.source), text(r.id), text(r.level), r.message, text(r.number)}
}

// A ledger tells the newest records of a log and counts the rest.
type ledger func(ctx context.Context, in check.Input, out *check.Out) (*tally, error)

// A tally counts the records of a log by hour and by source.
type tally struct {
	now    time.Time
	window time.Duration
	total  int
	hours  map[int]int // by hours before now
	by     map[string]int
	// worst are the rows of records of level crit.
	worst []int
	// capped says that there are older ones that were not counted.
	capped bool
	oldest time.Time
}

func newTally(now time.Time, window time.Duration) *tally {
	return &tally{now: now, window: window, hours: map[int]int{}, by: map[string]int{}}
}

// count counts r, whose row is row or -1.
func (t *tally) count(r record, row int) {
	t.total++
	t.hours[int(max(0, t.now.Sub(r.time))/time.Hour)]++
	t.by[r.source]++
	t.oldest = r.time
	if r.level == "crit" && row >= 0 {
		t.worst = append(t.worst, row)
	}
}

// most returns the source with the most records.
func (t *tally) most() string {
	if len(t.by) == 0 {
		return ""
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(t.by)), func(a, b string) int { return cmp.Compare(t.by[a], t.by[b]) })
}

// tell tells what is wrong.
func (t *tally) tell(out *check.Out, burst float64) {
	if t.total == 0 {
		return
	}
	atLeast := ""
	if t.capped {
		atLeast = "at least "
	}
	f := check.Finding{Severity: check.Info, Value: t.total, Unit: "records"}
	f.Text = fmt.Sprintf("%s%d errors in %s, most of them, %d, from %s",
		atLeast, t.total, shape.Span(t.window.Seconds()), t.by[t.most()], t.most())
	out.Find(f)
	if len(t.worst) > 0 {
		out.Find(check.Finding{
			Severity: check.Crit, Value: len(t.worst), Rows: t.worst,
			Text: fmt.Sprintf("%d records are worse than an error", len(t.worst)),
		})
	}
	window := t.window
	if t.capped {
		window = t.now.Sub(t.oldest)
	}
	before := window.Hours() - 1
	if before < 1 || t.hours[0] < minBurst {
		return
	}
	mean := float64(t.total-t.hours[0]) / before
	if times := float64(t.hours[0]) / max(mean, 1); times > burst {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "burst", Value: times, Threshold: burst,
			Text: fmt.Sprintf("%d errors in the last hour, %.0f times the mean of the hours before, over %g", t.hours[0], times, burst),
		})
	}
}

// minBurst is the fewest errors in an hour that can be a burst.
const minBurst = 10

// logErrors declares log.errors.
func logErrors(read ledger) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "log.errors",
			Summary: "the newest errors in the machine's log",
			Effect:  sessionlog.EffectRead,
			Params: append(logParams(),
				check.Param{Name: "n", Summary: "how many of the newest", Type: shape.AnInt, Default: "50", Min: 1, Max: 2000},
				check.Param{Name: "since", Summary: "how far back to look", Type: shape.ADuration, Default: "24h"},
				check.Param{Name: "burst", Summary: "times the hourly mean that the last hour's errors may be", Type: shape.ANumber, Default: "10", Min: 1, Max: 1e6, Threshold: true},
			),
			Tables:  []check.Table{{Columns: recordColumns()}},
			Timeout: 30,
			MaxRows: 2000,
			Source:  logSource,
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			t, err := read(ctx, in, out)
			if t != nil {
				t.tell(out, in.Number("burst"))
			}
			return err
		},
	}
}
