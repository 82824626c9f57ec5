package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

// tiny reports whether the screen is too small to be drawn.
func (m *Model) tiny() bool { return m.w < minWidth || m.h < minHeight }

// drawApprovals returns the rows of the screen and where the cursor is.
func (m *Model) drawApprovals() ([]string, *tea.Cursor) {
	if m.app.open != nil {
		return m.drawOrder()
	}
	a := &m.app
	title := fmt.Sprintf("CAISEY approvals   %d waiting", len(a.all))
	if a.trouble != "" {
		title += "   " + a.trouble
	}
	cols := approvalColumnsOf(m.w)
	head, high := "   "+m.approvalCells(cols, "LEFT", "YOU", "ENDPOINT", "BY", "EFFECT", "HAS"), 2
	if cols.command > 0 {
		head, high = head+"COMMAND", 1
	}
	rows := []string{m.bar(title, m.who()), m.theme.dim.on(fit(head, m.w, m.method))}
	from, to := a.window(len(a.all), (m.h-len(rows)-1)/high)
	for i := from; i < to; i++ {
		rows = append(rows, m.approvalRow(a.all[i], i == a.cursor, cols)...)
	}
	switch {
	case len(a.all) > 0:
	case a.known:
		rows = append(rows, "   nothing waits for an answer")
	case a.trouble == "":
		rows = append(rows, m.theme.dim.on("   asking the relay what waits"))
	}
	return rows, nil
}

// approvalColumns says how wide the columns are; command is 0 where it has a row of
// its own.
type approvalColumns struct{ left, you, path, by, effect, has, command int }

func approvalColumnsOf(w int) approvalColumns {
	c := approvalColumns{left: 8, you: 6, by: 10, effect: 7, has: 5}
	if w < 60 {
		c.left, c.you, c.by, c.effect = 6, 4, 6, 6
	}
	room := w - 3 - c.left - c.you - c.by - c.effect - c.has
	if w >= 110 {
		c.path = 24
		c.command = room - c.path
		return c
	}
	c.path = room
	return c
}

func (m *Model) approvalCells(c approvalColumns, left, you, path, by, effect, has string) string {
	cell := func(s string, w int) string { return fit(s, w-1, m.method) + " " }
	return cell(left, c.left) + cell(you, c.you) + cell(path, c.path) + cell(by, c.by) + cell(effect, c.effect) + cell(has, c.has)
}

// approvalRow returns the rows of one that waits, one or two.
func (m *Model) approvalRow(ap console.Approval, under bool, c approvalColumns) []string {
	lead, look := "   ", paint{}
	if under {
		lead, look = " > ", m.theme.cursor
	}
	you := m.theme.dim
	if ap.May {
		you = m.theme.busy
	}
	cells := m.approvalCells(c, clock(ap.Expires.Sub(m.cfg.Now())), youText(ap), vt.Plain(ap.Path()), vt.Plain(ap.By), vt.Plain(string(ap.Effect)),
		fmt.Sprintf("%d/%d", len(ap.Granted), ap.Need))
	head := look.on(lead+cells[:c.left]) + you.on(cells[c.left:c.left+c.you]) + look.on(cells[c.left+c.you:])
	width := c.command
	if width == 0 {
		width = m.w - 5
	}
	command := vt.ASCII(ap.Command[:min(len(ap.Command), maxWidth)]) // each byte takes a cell at least
	command = look.on(fit(command, width, m.method))
	if c.command > 0 {
		return []string{head + command}
	}
	return []string{head, "     " + command}
}

// drawOrder returns the rows of what is looked at and where the cursor is.
func (m *Model) drawOrder() ([]string, *tea.Cursor) {
	o := m.app.open
	title := o.state(m.cfg.Now())
	if m.w >= 60 {
		title = "CAISEY approval   " + title
	}
	if m.app.trouble != "" {
		title += "   " + m.app.trouble
	}
	rows := []string{m.bar(title, m.who())}
	o.layOut(&m.theme, m.w)
	rows = append(rows, o.window(m.h-3)...)
	for len(rows) < m.h-2 {
		rows = append(rows, "")
	}
	if o.asking == nil {
		return append(rows, m.orderStatus(o)), nil
	}
	lead := o.lead()
	if o.asking.bare() {
		return append(rows, m.theme.busy.on(fit(lead, m.w, m.method))), nil
	}
	lead = m.method.Truncate(lead, m.w/2, m.theme.more+" ")
	text, x := o.asking.edit.view(m.w-len(lead)-1, m.method)
	x += m.method.StringWidth(lead)
	return append(rows, m.theme.busy.on(lead)+text), tea.NewCursor(x, len(rows))
}

// orderStatus is the row under what is looked at.
func (m *Model) orderStatus(o *order) string {
	var parts []string
	if below := len(o.rows) - o.top - o.page; below > 0 {
		parts = append(parts, plural(below, "row")+" below: ctrl+d, G")
	}
	switch {
	case o.pending:
		parts = append(parts, "answering")
	case o.gone:
		parts = append(parts, "it waits no longer")
	}
	return m.theme.busy.on(fit(" "+strings.Join(parts, "   "), m.w, m.method))
}
