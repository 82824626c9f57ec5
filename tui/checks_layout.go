package tui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

const (
	columnGap = 2  // cells between columns
	leastText = 10 // cells that a column of text keeps while others are shown
)

// columnWidths returns how wide the columns are that find room, of which natural says
// how wide they would be. Text gives way to numbers; then the last columns are left
// out. The first always finds room.
func columnWidths(natural []int, right []bool, room int) []int {
	for n := len(natural); n > 0; n-- {
		w := slices.Clone(natural[:n])
		over := columnGap*(n-1) - room
		for _, c := range w {
			over += c
		}
		if narrow(w, right, over) {
			return w
		}
	}
	if len(natural) == 0 {
		return nil
	}
	return []int{max(room, 1)}
}

// narrow takes over cells from the columns of text, from the widest first and from the
// first column, which says what the row is about, last. It reports whether it could.
func narrow(w []int, right []bool, over int) bool {
	for ; over > 0; over-- {
		widest := 0
		for i := 1; i < len(w); i++ {
			if !right[i] && w[i] > leastText && (widest == 0 || w[i] > w[widest]) {
				widest = i
			}
		}
		if widest == 0 && (right[0] || w[0] <= leastText) {
			return false
		}
		w[widest]--
	}
	return true
}

// A grille says how the rows of a table become text.
type grille struct {
	method ansi.Method
	more   string // stands where a cell is cut
	right  []bool
	widths []int
}

// newGrille returns a grille for cells of which some are known, in room cells.
func newGrille(method ansi.Method, more string, cols []check.Column, known [][]string, room int) grille {
	natural, right := make([]int, len(cols)), make([]bool, len(cols))
	for i, c := range cols {
		right[i] = c.Right()
	}
	for _, row := range known {
		for i, c := range row {
			natural[i] = max(natural[i], min(method.StringWidth(c), room))
		}
	}
	return grille{method, more, right, columnWidths(natural, right, room)}
}

// cell returns text as exactly width cells.
func (g *grille) cell(text string, width int, right bool) string {
	w := g.method.StringWidth(text)
	if w > width {
		text = g.method.Truncate(text, width, g.more)
		w = g.method.StringWidth(text)
	}
	if right {
		return pad(width-w) + text
	}
	return text + pad(width-w)
}

// row returns the cells that find room.
func (g *grille) row(cells []string) string {
	parts := make([]string, len(g.widths))
	for i, w := range g.widths {
		parts[i] = g.cell(cells[i], w, g.right[i])
	}
	return strings.TrimRight(strings.Join(parts, pad(columnGap)), " ")
}

// A rowKind says what a row of an answer is, for whoever paints it.
type rowKind uint8

const (
	rowPlain rowKind = iota
	rowDim
	rowHead
	rowStrong
	rowCrit
	rowWarn
	rowInfo
	rowGood
	rowOurs // a line of ours, told by its gutter too
)

// look returns how a row of that kind looks.
func (t *theme) look(k rowKind) paint {
	switch k {
	case rowDim, rowHead, rowOurs:
		return t.dim
	case rowStrong:
		return t.strong
	case rowCrit:
		return t.bad
	case rowWarn:
		return t.busy
	case rowInfo:
		return t.title
	case rowGood:
		return t.good
	}
	return paint{}
}

// severityKind returns how findings of a severity look.
func severityKind(s check.Severity) rowKind {
	switch s {
	case check.Crit:
		return rowCrit
	case check.Warn:
		return rowWarn
	}
	return rowInfo
}

// severityWord is the severity as a word of five cells.
func severityWord(s check.Severity) string {
	switch s {
	case check.Crit:
		return "CRIT "
	case check.Warn:
		return "WARN "
	}
	return "INFO "
}

// A textRow is one row of safe text and what it is.
type textRow struct {
	text string
	kind rowKind
}

// wrapped appends text in rows of width cells, at most most of them; all but the
// first are set in by as much as lead takes.
func wrapped(dst []textRow, lead, text string, kind rowKind, width, most int, method ansi.Method, more string) []textRow {
	in := method.StringWidth(lead)
	rows := vt.PlainLine(text).Wrap(max(width-in, 8), method)
	for i, row := range rows {
		if i == most-1 && len(rows) > most {
			row.Text = method.Truncate(row.Text, max(width-in-1, 1), "") + more
			rows = rows[:most]
		}
		dst = append(dst, textRow{lead + row.Text, kind})
		if lead = pad(in); i == most-1 {
			break
		}
	}
	return dst
}
