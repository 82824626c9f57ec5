package verb

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// asked reports whether a step asked a check.
func (p *stepPrinter) asked(ev sessionlog.Event) {
	var req sessionlog.Requested
	if ev.Kind == sessionlog.StepRequested && ev.Decode(&req) == nil && req.IsCheck() {
		p.check = true
	}
}

// answer prints a chunk of a check: what it found, or with --raw the evidence.
func (p *stepPrinter) answer(c *sessionlog.Chunk) {
	if c.Stream == sessionlog.RowStream {
		text := p.rows.Append(nil, c.Data)
		if !p.r.raw && !p.r.csv {
			p.stream(sessionlog.Stdout).write(text)
		}
		return
	}
	if p.r.raw {
		p.stream(c.Stream).write(c.Data)
	}
}

// finish prints what of an answer could not be printed before its end.
func (p *stepPrinter) finish() {
	text := p.rows.Flush(nil)
	switch {
	case p.json != nil || p.r.raw || !p.check:
	case p.r.csv:
		p.r.out.data(p.csv())
	default:
		p.stream(sessionlog.Stdout).write(text)
	}
}

// csv returns the tables, each with a line of names before it; the first column is
// the endpoint.
func (p *stepPrinter) csv() []byte {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	for _, t := range p.rows.Result().Tables {
		head := []string{"endpoint"}
		if t.Name != "" {
			head = []string{"endpoint:" + t.Name}
		}
		for _, c := range t.Columns {
			head = append(head, c.Name)
		}
		_ = w.Write(head) // a buffer takes everything
		for _, row := range t.Rows {
			cells := []string{vt.Plain(p.ep)}
			for _, c := range row {
				cells = append(cells, vt.Plain(csvCell(c)))
			}
			_ = w.Write(cells)
		}
	}
	w.Flush()
	return buf.Bytes()
}

// csvCell returns a cell as CSV has it: numbers as they are, nothing for null.
func csvCell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

// worst returns the rank of the worst finding.
func worst(r *check.Result) int {
	rank := 0
	for _, f := range r.Findings {
		rank = max(rank, f.Severity.Rank())
	}
	return rank
}
