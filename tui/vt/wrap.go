package vt

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Wrap cuts the line into rows of at most width cells, as m measures them. A
// line that is empty is one empty row.
func (l Line) Wrap(width int, m ansi.Method) []Line {
	width = max(width, 1)
	if l.ASCII {
		return l.wrapASCII(width)
	}
	w := wrapper{width: width}
	text, state := l.Text, byte(0)
	for len(text) > 0 {
		seq, cells, n, next := m.DecodeSequenceInString(text, state, nil)
		if len(seq) > 1 && seq[0] == esc {
			w.style.apply(strings.TrimSuffix(seq[2:], "m"))
		} else {
			w.add(seq, cells)
		}
		text, state = text[n:], next
	}
	return append(w.rows, w.row())
}

// Rows returns how many rows Wrap makes of the line.
func (l Line) Rows(width int, m ansi.Method) int {
	switch width = max(width, 1); {
	case l.ASCII:
		return max(1, (len(l.Text)+width-1)/width)
	case l.Width*2 <= width: // no measure makes more than two cells of one
		return 1
	}
	return len(l.Wrap(width, m))
}

// Fit returns the line's beginning, of exactly width cells as m measures them.
func (l Line) Fit(width int, m ansi.Method) string {
	row := l.Wrap(width, m)[0]
	return row.Text + strings.Repeat(" ", max(0, width-row.Width))
}

func (l Line) wrapASCII(width int) []Line {
	if len(l.Text) <= width {
		return []Line{l}
	}
	rows := make([]Line, 0, l.Rows(width, ansi.WcWidth))
	for text := l.Text; len(text) > 0; {
		n := min(width, len(text))
		rows = append(rows, Line{Text: text[:n], Width: n, ASCII: true})
		text = text[n:]
	}
	return rows
}

// A wrapper gathers the rows of a line.
type wrapper struct {
	width int
	style style // as the line has set it
	have  style // as at the end of buf
	buf   []byte
	cells int
	rows  []Line
}

func (w *wrapper) add(s string, cells int) {
	if w.cells+cells > w.width {
		if w.cells == 0 { // wider than a row: a mark in its place
			s, cells = "?", 1
		} else {
			w.rows = append(w.rows, w.row())
			w.add(s, cells)
			return
		}
	}
	if w.have != w.style {
		if w.have != (style{}) {
			w.buf = append(w.buf, "\x1b[m"...)
		}
		w.buf, w.have = w.style.appendTo(w.buf), w.style
	}
	w.buf = append(w.buf, s...)
	w.cells += cells
}

func (w *wrapper) row() Line {
	if w.have != (style{}) {
		w.buf = append(w.buf, "\x1b[m"...)
	}
	row := Line{Text: string(w.buf), Width: w.cells}
	w.buf, w.cells, w.have = w.buf[:0], 0, style{}
	return row
}

// PlainLine returns s as a Line, through Plain.
func PlainLine(s string) Line {
	s = Plain(s)
	if isPlain(s) {
		return Line{Text: s, Width: len(s), ASCII: true}
	}
	return Line{Text: s, Width: ansi.StringWidthWc(s)}
}
