package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// An Out takes what a check finds, and passes it on as it comes. Its methods may be
// called concurrently; a table's rows are its that began last.
type Out struct {
	// Static.
	spec Spec
	send func(stream sessionlog.Stream, data []byte) error

	mu       sync.Mutex // guards what follows
	err      error      // the first of send, or of the check's own making
	at       int        // the table that has begun last, -1 if none has
	rows     map[string]int
	sent     int
	leftOut  int
	findings int
	used     map[string]string
}

func newOut(spec Spec, send func(sessionlog.Stream, []byte) error) *Out {
	return &Out{spec: spec, send: send, at: -1, rows: map[string]int{}, used: map[string]string{}}
}

// Table begins the table of that name. The tables of a check begin in the order in
// which it declares them; those that it skips are empty. Without a call, rows are of
// the first.
func (o *Out) Table(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.spec.Tables, func(t Table) bool { return t.Name == name })
	if i < 0 || i < o.at {
		o.fail(fmt.Errorf("table %q is not declared, or not in order", name))
		return
	}
	o.begin(i)
}

// begin sends the heads of all tables up to i.
func (o *Out) begin(i int) {
	for o.at < i {
		o.at++
		t := o.spec.Tables[o.at]
		t.Live = o.spec.Live
		o.line(shape.Line{Table: &t})
	}
}

// Row adds a row to the table and returns its index, or -1 if the table has as many
// as it may have. A cell is nil, or what its column's type says: a string, an
// integer, a float, a bool, a time.Time, a time.Duration. A float that is no number
// is nil, and so is a zero time.
func (o *Out) Row(cells ...any) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begin(max(o.at, 0))
	t := o.spec.Tables[o.at]
	if len(cells) != len(t.Columns) {
		o.fail(fmt.Errorf("a row of table %q has %d cells, not %d", t.Name, len(cells), len(t.Columns)))
		return -1
	}
	n := o.rows[t.Name]
	if n >= o.spec.MaxRows {
		o.leftOut++
		return -1
	}
	row := make([]any, len(cells))
	for i, c := range cells {
		v, err := plain(t.Columns[i].Type, c)
		if err != nil {
			o.fail(fmt.Errorf("cell %s of table %q: %w", t.Columns[i].Name, t.Name, err))
			return -1
		}
		row[i] = v
	}
	if !o.line(shape.Line{Row: row}) {
		return -1
	}
	o.rows[t.Name]++
	o.sent++
	return n
}

// Find adds a finding. Its rows are of the table that it names.
func (o *Out) Find(f Finding) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.Rows = slices.DeleteFunc(slices.Clone(f.Rows), func(i int) bool { return i < 0 })
	if p, ok := o.spec.Param(f.Param); ok && f.Unit == "" {
		f.Unit = p.Unit
	}
	if o.line(shape.Line{Finding: &f}) {
		o.findings++
	}
}

// Edge adds an edge.
func (o *Out) Edge(e Edge) {
	if e.To == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line(shape.Line{Edge: &e})
}

// Raw adds to the raw evidence: the bytes from which the rows were made.
func (o *Out) Raw(data []byte) { o.pass(sessionlog.Stdout, data) }

// Say adds to what the check says about itself: the standard error of a tool.
func (o *Out) Say(data []byte) { o.pass(sessionlog.Stderr, data) }

// RawWriter returns a writer to Raw.
func (o *Out) RawWriter() io.Writer { return rawWriter{o} }

type rawWriter struct{ out *Out }

func (w rawWriter) Write(b []byte) (int, error) {
	w.out.Raw(b)
	return len(b), w.out.Err()
}

// Err returns why nothing more is taken; nil while it is.
func (o *Out) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

func (o *Out) pass(stream sessionlog.Stream, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(data) > 0 && o.err == nil {
		n := min(len(data), shape.MaxLine)
		o.err = o.send(stream, data[:n])
		data = data[n:]
	}
}

// line sends one line, whole, and reports whether it was taken. A row that is too
// long is left out.
func (o *Out) line(l shape.Line) bool {
	if o.err != nil {
		return false
	}
	b, err := l.Append(nil)
	if err != nil {
		if l.Row == nil {
			o.fail(err)
		}
		o.leftOut++
		return false
	}
	o.err = o.send(sessionlog.RowStream, b)
	return o.err == nil
}

func (o *Out) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// end sends the rest of the tables' heads, and the end.
func (o *Out) end(ctx context.Context, in Values, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begin(len(o.spec.Tables) - 1)
	end := shape.End{Verdict: shape.Fine, Rows: o.sent, LeftOut: o.leftOut}
	for _, p := range o.spec.Params {
		if p.Threshold && in.Has(p.Name) {
			o.used[p.Name] = in.Text(p.Name)
		}
	}
	end.Used = maps.Clone(o.used)
	if err != nil && ctx.Err() == nil {
		end.Verdict, end.Why = shape.CannotTell, oneLine(why(err))
	}
	if o.findings > 0 {
		end.Verdict = shape.Found
	}
	o.line(shape.Line{End: &end})
	return o.err
}

var errType = errors.New("it is not of the column's type")

// plain returns a cell as JSON has it.
func plain(t shape.Type, cell any) (any, error) {
	switch c := cell.(type) {
	case nil:
		return nil, nil
	case string:
		if t == shape.Text {
			return clean(c), nil
		}
	case bool:
		if t == shape.Bool {
			return c, nil
		}
	case time.Time:
		if t == shape.Time {
			if c.IsZero() {
				return nil, nil
			}
			return c.UTC().Format(time.RFC3339Nano), nil
		}
	case time.Duration:
		if t == shape.Duration {
			return c.Seconds(), nil
		}
	default:
		return plainNumber(t, cell)
	}
	return nil, errType
}

func plainNumber(t shape.Type, cell any) (any, error) {
	if t == shape.Text || t == shape.Bool || t == shape.Time {
		return nil, errType
	}
	switch c := cell.(type) {
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32:
		return c, nil
	case uint64:
		if c > math.MaxInt64 && (t == shape.Int || t == shape.Bytes) {
			return int64(math.MaxInt64), nil
		}
		return c, nil
	case json.Number:
		return c, nil
	case float32:
		return plainFloat(t, float64(c))
	case float64:
		return plainFloat(t, c)
	}
	return nil, errType
}

func plainFloat(t shape.Type, f float64) (any, error) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, nil
	case t == shape.Int || t == shape.Bytes:
		return int64(f), nil
	}
	return math.Round(f*1e6) / 1e6, nil
}
