package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// A textPage is text that is read, in rows of the screen's width.
type textPage struct {
	title string
	text  func(width int) []textRow
	top   int
	rows  int // in all
	page  int // in sight
}

func (p *textPage) move(pages, rows int) {
	p.top = min(max(p.top+pages*p.page+rows, 0), max(0, p.rows-p.page))
}

// drawPage returns the rows of the screen.
func (m *Model) drawPage() ([]string, *tea.Cursor) {
	p := m.table.page
	text := p.text(m.w - 2)
	p.rows, p.page = len(text), max(m.h-2, 1)
	p.move(0, 0)
	rows := []string{m.bar(p.title, m.who())}
	for _, row := range text[p.top:min(len(text), p.top+p.page)] {
		rows = append(rows, " "+m.theme.look(row.kind).on(cutTo(row.text, m.w-2, m.method, m.theme.more)))
	}
	return rows, nil
}

// explain opens the page about what is under the cursor: why a finding is one, or all
// cells of a row.
func (m *Model) explain() {
	t := m.table
	if f, ok := t.finding(); ok {
		t.page = &textPage{title: "CAISEY finding   " + t.title, text: func(width int) []textRow { return m.explained(f, width) }}
		return
	}
	tab := t.current()
	if tab == nil || t.cursor-len(t.finds) >= len(tab.order) {
		return
	}
	cells := tab.cells[tab.order[t.cursor-len(t.finds)]]
	heads := tab.Heads()
	t.page = &textPage{title: "CAISEY row   " + t.title, text: func(width int) []textRow {
		var out []textRow
		for i, c := range cells {
			out = m.fact(out, heads[i], c, rowPlain, width)
		}
		return out
	}}
}

// fact adds a name and what is under it.
func (m *Model) fact(dst []textRow, name, text string, kind rowKind, width int) []textRow {
	by := min(max(label, len(name)+2), width/2)
	if text == "" {
		text = "-"
	}
	return wrapped(dst, fit(name, by-1, m.method)+" ", vt.Plain(text), kind, width, 1<<20, m.method, m.theme.more)
}

// explained says why f is a finding, and shows the rows that prove it.
func (m *Model) explained(f check.Finding, width int) []textRow {
	t := m.table
	out := wrapped(nil, severityWord(f.Severity), f.Text, severityKind(f.Severity), width, 1<<20, m.method, m.theme.more)
	out = append(out, textRow{})
	spec, known := m.specOf(t)
	if f.Value != nil {
		out = m.fact(out, "value", measured(f, spec, f.Value), rowPlain, width)
	}
	if f.Threshold != nil {
		out = m.fact(out, "threshold", measured(f, spec, f.Threshold), rowPlain, width)
	}
	if f.Param != "" {
		out = m.fact(out, "parameter", t.parameter(f, spec), rowPlain, width)
		if p, ok := spec.Param(f.Param); ok {
			out = m.fact(out, "", p.Summary, rowDim, width)
			out = m.fact(out, "its default", p.Default, rowPlain, width)
		}
	}
	switch {
	case known:
		out = m.fact(out, "source", spec.Source, rowPlain, width)
		out = m.fact(out, "check", spec.Summary, rowPlain, width)
	default:
		out = m.fact(out, "source", "the endpoint has not told what "+t.ask.Name+" declares", rowDim, width)
	}
	return append(out, m.proofRows(f, width)...)
}

// measured writes a value or a threshold of a finding.
func measured(f check.Finding, spec check.Spec, v any) string {
	c := check.Column{Type: check.Number, Unit: f.Unit}
	switch p, _ := spec.Param(f.Param); {
	case f.Unit == "%":
		c = check.Column{Type: check.Percent}
	case f.Unit == "s", f.Unit == "" && p.Type == check.ADuration:
		c = check.Column{Type: check.Duration}
	}
	return c.Cell(v)
}

// parameter says with which parameter it was decided, and who set it.
func (t *tableScreen) parameter(f check.Finding, spec check.Spec) string {
	used := ""
	if t.told.End != nil {
		used = t.told.End.Used[f.Param]
	}
	p, known := spec.Param(f.Param)
	given := t.ask.Args[f.Param]
	if used == "" {
		used = given
	}
	text := f.Param
	if used != "" {
		text += "=" + used
	}
	switch {
	case given != "":
		return text + ", as it was asked"
	case known && used == p.Default:
		return text + ", by default"
	case known && used != "":
		return text + ", set for the client"
	}
	return text
}

// specOf returns the declaration of the check that was asked.
func (m *Model) specOf(t *tableScreen) (check.Spec, bool) {
	specs := m.specs[t.spec]
	if i := slices.IndexFunc(specs, func(s check.Spec) bool { return s.Name == t.ask.Name }); i >= 0 {
		return specs[i], true
	}
	return check.Spec{}, false
}

// maxProof is the most rows that are shown as proof.
const maxProof = 200

// proofRows shows the rows that prove f.
func (m *Model) proofRows(f check.Finding, width int) []textRow {
	if len(f.Rows) == 0 {
		return []textRow{{}, {"no row proves it: it is about the whole", rowDim}}
	}
	d := m.table.told
	at, rows := d.proof(f)
	if len(rows) == 0 {
		return []textRow{{}, {"the rows that prove it are only in the record", rowWarn}}
	}
	t := &d.Tables[at]
	cells := [][]string{t.Heads()}
	for _, n := range rows[:min(len(rows), maxProof)] {
		cells = append(cells, t.Cells(t.Rows[n]))
	}
	title := "proved by " + plural(len(f.Rows), "row")
	if t.Name != "" {
		title += " of " + t.Name
	}
	out := []textRow{{}, {title, rowStrong}}
	g := newGrille(m.method, m.theme.more, t.Columns, cells, width)
	if len(cells) == 2 && len(g.widths) < len(t.Columns) { // one row that has no room: its cells under each other
		for i, c := range cells[1] {
			out = m.fact(out, cells[0][i], c, rowPlain, width)
		}
		return out
	}
	for n, row := range cells {
		kind := rowPlain
		if n == 0 {
			kind = rowHead
		}
		out = append(out, textRow{g.row(row), kind})
	}
	if missing := len(f.Rows) - len(cells) + 1; missing > 0 {
		out = append(out, textRow{fmt.Sprintf("%s %s not shown", m.theme.more, plural(missing, "row")), rowDim})
	}
	if hidden := len(t.Columns) - len(g.widths); hidden > 0 {
		out = append(out, textRow{fmt.Sprintf("%s %s: Esc, then Enter on a row", m.theme.more, plural(hidden, "more column")), rowDim})
	}
	return out
}
