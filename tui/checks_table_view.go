package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// drawTable returns the rows of the screen and where the cursor is.
func (m *Model) drawTable() ([]string, *tea.Cursor) {
	t := m.table
	if t.page != nil {
		return m.drawPage()
	}
	state, _ := t.told.outcome(t.over)
	rows := []string{m.bar("CAISEY answer   "+t.title+"   "+vt.Plain(t.path), m.who()), m.tabsRow(state)}
	high := max(m.h-6, 1)
	finds := t.findRows(m, min(len(t.finds), max(high/3, 1)))
	rows = append(rows, finds...)
	tab := t.current()
	if tab == nil {
		return append(rows, "", "   there is no table in this answer"), nil
	}
	filter, cursor := m.tabFilter(tab, len(rows))
	rows = append(rows, filter)
	body := max(m.h-len(rows)-3, 1)
	tab.rows.cursor = max(t.cursor-len(t.finds), 0)
	from, to := tab.rows.window(len(tab.order), body)
	head, lines, hidden := m.tableRows(tab, tab.order[from:to])
	rows = append(rows, head)
	for i, text := range lines {
		rows = append(rows, m.tableRow(t, tab, tab.order[from+i], text, from+i == t.cursor-len(t.finds)))
	}
	if len(tab.cells) == 0 {
		text, kind := t.told.outcome(t.over)
		for _, row := range wrapped(nil, "   ", text, kind, m.w-1, body, m.method, m.theme.more) {
			rows = append(rows, m.theme.look(row.kind).on(row.text))
		}
	}
	for len(rows) < m.h-2 {
		rows = append(rows, "")
	}
	t.list.page = body
	return append(rows[:m.h-2], m.theme.dim.on(cutTo(" "+t.foot(tab, from, to, hidden), m.w, m.method, m.theme.more))), cursor
}

// tabsRow shows which tables there are, and what came of the check.
func (m *Model) tabsRow(state string) string {
	t := m.table
	state = " " + cutTo(state, m.w/2, m.method, m.theme.more) + " "
	room := m.w - m.method.StringWidth(state)
	left, used := "", 1
	for i, tab := range t.tabs {
		if len(t.tabs) == 1 {
			break
		}
		name := fmt.Sprintf(" %s %d ", vt.Plain(tab.Name), len(tab.cells))
		if i == t.tab {
			name = "[" + strings.TrimSpace(name) + "]"
		}
		if used += len(name); used > room { // names of tables are ASCII
			break
		}
		if i == t.tab {
			name = m.theme.strong.on(name)
		}
		left += name
	}
	_, kind := t.told.outcome(t.over)
	return " " + left + pad(room-min(used, room)) + m.theme.look(kind).on(state)
}

// findRows returns the findings in sight, in n rows.
func (t *tableScreen) findRows(m *Model, n int) []string {
	if n <= 0 {
		return nil
	}
	at := min(t.cursor, len(t.finds)-1)
	from := max(0, min(at-n+1, len(t.finds)-n))
	if t.cursor >= len(t.finds) {
		from = 0
	}
	out := make([]string, 0, n)
	for i := from; i < min(from+n, len(t.finds)); i++ {
		f := t.finds[i]
		lead := "   "
		if i == t.cursor {
			lead = " > "
		}
		text := severityWord(f.Severity) + vt.Plain(f.Text)
		if more := len(t.finds) - from - n; i == from+n-1 && more > 0 && i != t.cursor {
			text = severityWord(f.Severity) + fmt.Sprintf("(%d more) ", more) + vt.Plain(f.Text)
		}
		out = append(out, m.theme.look(severityKind(f.Severity)).on(cutTo(lead+text, m.w, m.method, m.theme.more)))
	}
	return out
}

// tabFilter is the row of the filter, which is row y of the screen.
func (m *Model) tabFilter(tab *tableTab, y int) (string, *tea.Cursor) {
	if !tab.typing && len(tab.filter.text) == 0 {
		return "", nil
	}
	count := fmt.Sprintf(" %d of %d rows match", len(tab.order), len(tab.cells))
	text, x := tab.filter.view(max(m.w-len(count)-4, 8), m.method)
	row := ends(" / "+text, count, m.w, m.method)
	if tab.typing {
		return row, tea.NewCursor(3+x, y)
	}
	return row, nil
}

// sortSigns stand behind the head of the column that is sorted by.
var sortSigns = map[bool]string{false: "^", true: "v"}

// tableRows returns the head of a table and the text of rows of it, and how many
// columns found no room. The first column is always there, and so is the chosen one.
func (m *Model) tableRows(tab *tableTab, order []int) (head string, lines []string, hidden int) {
	heads := tab.Heads()
	if tab.sort >= 0 {
		heads[tab.sort] += sortSigns[tab.down]
	}
	for from := 1; ; from++ {
		cols := []int{0}
		for i := from; i < len(heads); i++ {
			cols = append(cols, i)
		}
		pick := func(cells []string) []string {
			out := make([]string, len(cols))
			for i, c := range cols {
				out[i] = cells[c]
			}
			return out
		}
		specs := make([]check.Column, len(cols))
		for i, c := range cols {
			specs[i] = tab.Columns[c]
		}
		known := [][]string{pick(heads)}
		for _, i := range order {
			known = append(known, pick(tab.cells[i]))
		}
		g := newGrille(m.method, m.theme.more, specs, known, m.w-4)
		if shown := cols[:len(g.widths)]; !slices.Contains(shown, tab.column) && from < len(heads)-1 {
			continue
		}
		for _, row := range known[1:] {
			lines = append(lines, g.row(row))
		}
		return m.tableHead(&g, known[0], slices.Index(cols, tab.column)), lines, len(heads) - len(g.widths)
	}
}

// tableHead returns the row of heads; the chosen one is turned over.
func (m *Model) tableHead(g *grille, heads []string, chosen int) string {
	var b strings.Builder
	b.WriteString("   ")
	for i, w := range g.widths {
		if i > 0 {
			b.WriteString(pad(columnGap))
		}
		look := m.theme.dim
		if i == chosen {
			look = m.theme.bar
		}
		b.WriteString(look.on(g.cell(heads[i], w, g.right[i])))
	}
	return b.String()
}

// tableRow returns a row with what stands before it: the cursor, and a sign where the
// row proves a finding.
func (m *Model) tableRow(t *tableScreen, tab *tableTab, n int, text string, under bool) string {
	lead, look := []byte("   "), paint{}
	if under {
		lead[1], look = '>', m.theme.cursor
	}
	if s := t.proves(tab.Name, n+tab.gone); s != "" {
		lead[2] = '!'
		if !under {
			look = m.theme.look(severityKind(s))
		}
	}
	return look.on(string(lead) + text)
}

// proves returns how bad the worst finding is that a row proves, or "".
func (t *tableScreen) proves(table string, n int) check.Severity {
	for _, f := range t.finds {
		if f.Table == table && slices.Contains(f.Rows, n) {
			return f.Severity
		}
	}
	return ""
}

// foot says what part of the table is in sight.
func (t *tableScreen) foot(tab *tableTab, from, to, hidden int) string {
	parts := []string{"no rows"}
	if len(tab.order) > 0 {
		parts[0] = fmt.Sprintf("rows %d to %d of %d", from+1, to, len(tab.order))
	}
	if hidden > 0 && len(tab.order) > 0 {
		parts = append(parts, plural(hidden, "column")+" beside, < > goes there, Enter shows all of a row")
	}
	if n := tab.gone + tab.More; n > 0 {
		parts = append(parts, plural(n, "row")+" only in the record")
	}
	if _, ok := t.finding(); ok {
		parts = append(parts, "? says why it is a finding")
	}
	return strings.Join(parts, ", ")
}
