package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// A Result folds what a check answers. Its zero value is an answer that has not
// begun.
type Result struct {
	Tables   []Rows
	Findings []Finding
	Edges    []Edge
	End      *End // nil until the end
	// Bad counts lines that are not ours: an endpoint can send anything.
	Bad int

	rest []byte // the begun line
	over bool   // rest is only the beginning of too long a line
	held int    // bytes kept
}

// Rows are the rows of one table.
type Rows struct {
	Table
	// Rows have a cell for each column: nil, string, bool or json.Number.
	Rows [][]any
	// More counts rows that came after the most that a Result keeps.
	More int
}

// maxHeld is the most bytes of lines that a Result keeps, and maxFindings the most
// findings and the most edges.
const (
	maxHeld     = 16 << 20
	maxFindings = 2_000
)

// Add takes the next bytes of the stream.
func (r *Result) Add(data []byte) {
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		part := data
		if end >= 0 {
			part = data[:end]
		}
		if len(r.rest)+len(part) > MaxLine {
			r.over, part = true, nil
		}
		if end < 0 {
			r.rest = append(r.rest, part...)
			return
		}
		r.take(append(r.rest, part...))
		r.rest, data = r.rest[:0], data[end+1:]
	}
}

func (r *Result) take(text []byte) {
	var l Line
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if r.over || dec.Decode(&l) != nil || dec.More() || !r.keep(l, len(text)) {
		r.Bad++
	}
	r.over = false
}

// keep reports whether the line makes sense where it stands.
func (r *Result) keep(l Line, size int) bool {
	switch {
	case r.End != nil:
		return false
	case l.Table != nil:
		return r.begin(*l.Table)
	case l.Row != nil:
		return r.row(l.Row, size)
	case l.Finding != nil:
		f := *l.Finding
		if f.Severity.Rank() == 0 || len(r.Findings) >= maxFindings || !scalar(f.Value) || !scalar(f.Threshold) {
			return false
		}
		r.Findings = append(r.Findings, f)
	case l.Edge != nil:
		if len(r.Edges) >= maxFindings {
			return false
		}
		r.Edges = append(r.Edges, *l.Edge)
	case l.End != nil:
		r.End = l.End
	default:
		return false
	}
	return true
}

func (r *Result) begin(t Table) bool {
	if t.err() != nil || len(r.Tables) >= maxTables || r.table(t.Name) != nil {
		return false
	}
	r.Tables = append(r.Tables, Rows{Table: t})
	return true
}

func (r *Result) row(cells []any, size int) bool {
	if len(r.Tables) == 0 {
		return false
	}
	t := &r.Tables[len(r.Tables)-1]
	if len(cells) != len(t.Columns) {
		return false
	}
	for i, c := range cells {
		if !t.Columns[i].Type.holds(c) {
			return false
		}
	}
	if len(t.Rows) >= MaxRows || r.held+size > maxHeld {
		t.More++
		return true
	}
	r.held += size
	t.Rows = append(t.Rows, cells)
	return true
}

// holds reports whether a cell as JSON has it can be of the type.
func (t Type) holds(cell any) bool {
	switch cell := cell.(type) {
	case nil:
		return true
	case string:
		return t == Text || t == Time
	case bool:
		return t == Bool
	case json.Number:
		if t == Int || t == Bytes {
			_, err := cell.Int64()
			return err == nil
		}
		return t == Number || t == Duration || t == Percent
	}
	return false
}

func scalar(v any) bool {
	switch v.(type) {
	case nil, string, bool, json.Number:
		return true
	}
	return false
}

func (r *Result) table(name string) *Rows {
	i := slices.IndexFunc(r.Tables, func(t Rows) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Tables[i]
}

// Proof returns the rows that prove f, with their columns.
func (r *Result) Proof(f Finding) (Table, [][]any) {
	t := r.table(f.Table)
	if t == nil {
		return Table{}, nil
	}
	var rows [][]any
	for _, i := range f.Rows {
		if i >= 0 && i < len(t.Rows) {
			rows = append(rows, t.Rows[i])
		}
	}
	return t.Table, rows
}

// Worst returns the findings, the worst first.
func (r *Result) Worst() []Finding {
	fs := slices.Clone(r.Findings)
	slices.SortStableFunc(fs, func(a, b Finding) int { return b.Severity.Rank() - a.Severity.Rank() })
	return fs
}

// Verdict returns what came of it as a short line: "2 findings", "nothing found",
// "cannot tell: …", or "no answer yet".
func (r *Result) Verdict() string {
	switch n := len(r.Findings); {
	case n == 1:
		return "1 finding"
	case n > 1:
		return fmt.Sprintf("%d findings", n)
	case r.End == nil:
		return "no answer yet"
	case r.End.Verdict == CannotTell:
		return "cannot tell: " + r.End.Why
	}
	return "nothing found"
}
