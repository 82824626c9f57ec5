package check

import (
	"bytes"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/tui/vt"
)

// A Printer turns the stream of rows into text for people, as it comes: tables with
// aligned columns, then findings, then what came of it. The text is safe to show. The
// zero value is ready.
type Printer struct {
	r      Result
	at     int // tables printed, or begun if they are live
	rows   int // rows printed of table at
	finds  int // findings printed
	widths []int
	ended  bool
}

// maxWidth is the most columns of the terminal that a cell takes but for the last.
const maxWidth = 40

// Append adds to dst the text of what can be printed once data has come.
func (p *Printer) Append(dst, data []byte) []byte {
	for len(data) > 0 {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line = data[:i+1]
		}
		p.r.Add(line)
		dst = p.print(dst)
		data = data[len(line):]
	}
	return dst
}

// Flush adds the text of what is held back at the end of the stream.
func (p *Printer) Flush(dst []byte) []byte {
	return p.tables(dst, len(p.r.Tables))
}

// Result returns what was folded so far.
func (p *Printer) Result() *Result { return &p.r }

func (p *Printer) print(dst []byte) []byte {
	whole := len(p.r.Tables) - 1 // more rows may come into the last
	if len(p.r.Findings) > p.finds || p.r.End != nil {
		whole = len(p.r.Tables)
	}
	dst = p.tables(dst, whole)
	if n := len(p.r.Tables); n > 0 && p.at == n-1 && p.r.Tables[n-1].Live {
		dst = p.table(dst, &p.r.Tables[n-1])
	}
	for ; p.finds < len(p.r.Findings); p.finds++ {
		dst = p.finding(dst, p.r.Findings[p.finds])
	}
	if p.r.End != nil && !p.ended {
		p.ended = true
		dst = append(append(dst, vt.Plain(p.r.Verdict())...), '\n')
	}
	return dst
}

// tables prints what is not yet printed of the first n tables.
func (p *Printer) tables(dst []byte, n int) []byte {
	for ; p.at < n; p.at++ {
		dst = p.table(dst, &p.r.Tables[p.at])
		p.rows, p.widths = 0, nil
	}
	return dst
}

// table prints the rows of t that are not yet printed, with its head before the first.
func (p *Printer) table(dst []byte, t *Rows) []byte {
	if len(t.Rows) == p.rows {
		return dst
	}
	first := p.rows == 0
	cells := make([][]string, 0, len(t.Rows)-p.rows+1)
	if first {
		cells = append(cells, t.Heads())
	}
	for _, row := range t.Rows[p.rows:] {
		cells = append(cells, t.Cells(row))
	}
	p.rows = len(t.Rows)
	if first {
		p.widths = Widths(cells)
		if t.Name != "" {
			dst = append(append(dst, strings.ToUpper(t.Name)...), '\n')
		}
	}
	for _, row := range cells {
		dst = t.appendRow(dst, row, p.widths)
	}
	return dst
}

// Heads returns the names of the columns, as they stand above them.
func (t Table) Heads() []string {
	heads := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		heads[i] = strings.ToUpper(c.Name)
	}
	return heads
}

// Cells returns the cells of a row as safe text, each on one line.
func (t Table) Cells(row []any) []string {
	cells := make([]string, len(row))
	for i, v := range row {
		cells[i] = vt.Plain(t.Columns[i].Cell(v))
	}
	return cells
}

// Widths returns how wide each column has to be for rows of safe text, within bounds.
func Widths(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], min(ansi.StringWidth(c), maxWidth))
		}
	}
	return widths
}

// Right reports whether the cells of the column stand at its right edge.
func (c Column) Right() bool {
	switch c.Type {
	case Int, Number, Bytes, Percent, Duration:
		return true
	}
	return false
}

func (t Table) appendRow(dst []byte, row []string, widths []int) []byte {
	for i, c := range row {
		if i > 0 {
			dst = append(dst, "  "...)
		}
		pad := max(0, widths[i]-ansi.StringWidth(c))
		right := t.Columns[i].Right()
		if right {
			dst = append(dst, strings.Repeat(" ", pad)...)
		}
		dst = append(dst, c...)
		if !right && i < len(row)-1 {
			dst = append(dst, strings.Repeat(" ", pad)...)
		}
	}
	return append(dst, '\n')
}

func (p *Printer) finding(dst []byte, f Finding) []byte {
	return append(append(dst, vt.Plain(f.Line())...), '\n')
}

// Line returns the finding in one line: "crit: /data has 3 % free, under 5 %". The text
// is as the endpoint said it: it has to pass the sanitiser.
func (f Finding) Line() string { return string(f.Severity) + ": " + f.Text }
