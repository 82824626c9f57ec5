package tui

import (
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/tui/vt"
)

// fleetColumns says how wide the columns of the fleet are on a screen of w
// cells. A width of 0 leaves a column out.
type fleetColumns struct{ path, os, state, run, on, host, labels int }

func columnsOf(w int) fleetColumns {
	c := fleetColumns{os: 8, state: 22, run: 4}
	if w < 75 {
		c.os = 0
	}
	room := w - 4 - c.os - c.state - c.run - 1
	if w >= 110 {
		c.host = min(24, room/4)
	}
	if w >= 150 {
		c.labels = min(40, room/4)
	}
	room -= c.host + c.labels
	c.path = max(16, room*2/3)
	c.on = max(0, room-c.path)
	return c
}

// drawFleet returns the rows of the screen and where the cursor is.
func (m *Model) drawFleet() ([]string, *tea.Cursor) {
	f := &m.fleet
	rows := []string{m.fleetBar()}
	filter, cursor := m.filterRow(&f.list, len(f.hits), len(f.rows))
	rows = append(rows, filter)
	cols := columnsOf(m.w)
	head := "    " + fit("ENDPOINT", cols.path, m.method) + fit("OS", cols.os, m.method) + fit("STATE", cols.state, m.method) +
		fit("RUN", cols.run, m.method) + " " + fit("WHO NOW", cols.on, m.method) + fit("HOST", cols.host, m.method) + fit("LABELS", cols.labels, m.method)
	rows = append(rows, m.theme.dim.on(fit(head, m.w, m.method)))
	from, to := f.window(len(f.hits), m.h-len(rows)-2)
	for i := from; i < to; i++ {
		rows = append(rows, m.fleetRow(f.hits[i], i == f.cursor, cols))
	}
	switch {
	case !f.known && m.trouble() == "":
		rows = append(rows, m.theme.dim.on("    asking the relay for the endpoints"))
	case len(f.rows) == 0 && f.known:
		rows = append(rows, "    no endpoints are enrolled that you may see")
	case len(f.hits) == 0 && f.known:
		rows = append(rows, "    no endpoint matches; Esc takes the filter away")
	}
	for len(rows) < m.h-2 {
		rows = append(rows, "")
	}
	return append(rows[:max(m.h-2, 0)], m.fleetDetail()), cursor
}

func (m *Model) fleetBar() string {
	f := &m.fleet
	parts := []string{fmt.Sprintf("CAISEY fleet   %s", plural(len(f.rows), "endpoint"))}
	if off := len(f.rows) - f.online; off > 0 {
		parts = append(parts, fmt.Sprintf("%d OFFLINE", off))
	}
	if n := len(f.marked()); n > 0 {
		parts = append(parts, fmt.Sprintf("%d marked", n))
	}
	if n := len(m.work.panes); n > 0 {
		parts = append(parts, plural(n, "pane")+" open (gw)")
	}
	if s := m.trouble(); s != "" {
		parts = append(parts, s)
	}
	return m.bar(strings.Join(parts, "   "), m.who())
}

func (m *Model) fleetRow(row *endpointRow, under bool, c fleetColumns) string {
	cells := []byte("    ")
	look := m.theme.good
	state := "online  "
	if !row.Online {
		state, look = "OFFLINE ", m.theme.bad
	}
	if under {
		cells[1] = '>'
	}
	if row.marked {
		cells[2] = '*'
	}
	run := ""
	if row.Running > 0 {
		run = strconv.Itoa(row.Running)
	}
	left := string(cells) + fit(row.path, c.path-1, m.method) + " " + fit(vt.Plain(row.OS), c.os, m.method)
	right := fit(run, c.run, m.method) + " " + fit(vt.Plain(strings.Join(row.On, " ")), c.on, m.method) +
		fit(vt.Plain(row.Host), c.host, m.method) + fit(vt.Plain(labels(row.Endpoint)), c.labels, m.method)
	if under {
		left = m.theme.cursor.on(left)
	}
	return left + look.on(fit(state+when(row.Since, m.cfg.Now()), c.state, m.method)) + right
}

// fleetDetail is one row about the endpoint under the cursor.
func (m *Model) fleetDetail() string {
	row := m.fleet.under()
	if row == nil {
		return ""
	}
	parts := []string{row.path}
	for _, s := range []string{row.Host, strings.Trim(row.OS+"/"+row.Arch, "/"), row.Version, row.Transport, labels(row.Endpoint)} {
		if s != "" {
			parts = append(parts, vt.Plain(s))
		}
	}
	if off := row.ClockOffset; off > 1 || off < -1 {
		parts = append(parts, fmt.Sprintf("CLOCK OFF by %+.1f s", off))
	}
	return m.theme.dim.on(fit("    "+strings.Join(parts, "  "), m.w, m.method))
}

// filterRow is the row that shows the filter of a list.
func (m *Model) filterRow(l *list, hits, all int) (string, *tea.Cursor) {
	if !l.typing && len(l.filter.text) == 0 {
		return m.theme.dim.on(fit(" / to filter", m.w, m.method)), nil
	}
	count := fmt.Sprintf(" %d of %d shown", hits, all)
	text, x := l.filter.view(max(m.w-len(count)-4, 8), m.method)
	row := ends(" / "+text, count, m.w, m.method)
	if l.typing {
		return row, tea.NewCursor(3+x, 1)
	}
	return row, nil
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
