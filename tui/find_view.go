package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// findWide is the width from which on a hit is one row, not two.
const findWide = 120

// A findRow is a hit, safe to draw.
type findRow struct {
	console.Hit
	path, by, what       string
	before, match, after string // of its line
}

func newFindRow(h console.Hit) findRow {
	end := min(max(h.End, 0), len(h.Line))
	begin := min(max(h.Begin, 0), end)
	row := findRow{
		Hit: h, path: vt.Plain(h.Path()), by: vt.Plain(h.By), what: vt.Plain(string(h.Kind)),
		before: strings.TrimLeft(vt.Plain(h.Line[:begin]), " "), match: vt.Plain(h.Line[begin:end]), after: vt.Plain(h.Line[end:]),
	}
	switch h.Kind {
	case sessionlog.StepRequested:
		row.what = "command"
	case sessionlog.NoteAdded:
		row.what = "note"
	case sessionlog.StepOutput:
		row.what = vt.Plain(h.Stream)
	}
	return row
}

// drawFind returns the rows of the screen and where the cursor is.
func (m *Model) drawFind() ([]string, *tea.Cursor) {
	f := &m.find
	rows := []string{m.bar("CAISEY find   in commands, output and notes of every record", m.who())}
	const lead = " find: "
	text, x := f.filter.view(max(m.w-len(lead)-1, 8), m.method)
	rows = append(rows, lead+text, m.findStatus())
	high := 2
	if m.w >= findWide {
		high = 1
	}
	from, to := f.window(len(f.rows), (m.h-len(rows)-1)/high)
	for i := from; i < to; i++ {
		rows = append(rows, m.findRow(&f.rows[i], i == f.cursor, high)...)
	}
	return rows, tea.NewCursor(len(lead)+x, 1)
}

// findStatus is the row under the line: the filters, and what became of it.
func (m *Model) findStatus() string {
	f := &m.find
	chips := ""
	for _, c := range f.query.chips {
		chips += "[" + vt.Plain(c) + "] "
	}
	if chips != "" {
		chips = " " + m.method.Truncate(chips, m.w/2, m.theme.more+" ")
	}
	word, look := m.findState()
	if chips == "" {
		word = " " + word
	}
	return m.theme.title.on(chips) + look.on(fit(word, m.w-m.method.StringWidth(chips), m.method))
}

// findState says in one line how the search stands.
func (m *Model) findState() (string, paint) {
	f := &m.find
	switch {
	case f.bad != nil:
		return errText(f.bad), m.theme.bad
	case !f.query.asks():
		return "type 2 characters or more; client:NAME by:NAME since:2h until:14:52 narrow", m.theme.dim
	case f.stop != nil || !f.current():
		return "searching...", m.theme.busy
	case f.err != nil:
		return "cannot search: " + errText(f.err), m.theme.bad
	}
	parts := []string{plural(len(f.rows), "hit")}
	if len(f.rows) == 0 {
		parts[0] = "nothing found"
	}
	if f.found.More {
		parts = append(parts, "there may be more")
	}
	if n := f.found.Behind; n > 0 {
		parts = append(parts, fmt.Sprintf("%s not read to the end yet", plural(n, "record")))
	}
	return strings.Join(parts, ", "), m.theme.strong
}

// findRow returns the rows of a hit, one or two.
func (m *Model) findRow(r *findRow, under bool, high int) []string {
	lead, look := "   ", paint{}
	if under {
		lead, look = " > ", m.theme.cursor
	}
	at, by, what := 14, 12, 8
	if m.w < 60 {
		at, by = 13, 6
	}
	path := min(max(m.w-len(lead)-at-by-what, 10), 40)
	if high == 1 {
		path = 26
	}
	head := look.on(lead + fit(when(r.Time, m.cfg.Now()), at, m.method) + fit(r.path, path-1, m.method) + " " + fit(r.by, by-1, m.method) + " ")
	head += m.theme.title.on(fit(r.what, what, m.method))
	if high == 1 {
		return []string{head + m.snippet(r, m.w-len(lead)-at-path-by-what)}
	}
	return []string{head, "     " + m.snippet(r, m.w-5)}
}

// snippet returns the part of the line around the match that fits into width
// cells, with the match marked.
func (m *Model) snippet(r *findRow, width int) string {
	width = max(width, 8)
	match := m.method.Truncate(r.match, width, m.theme.more)
	room := width - m.method.StringWidth(match)
	before, after := m.method.StringWidth(r.before), m.method.StringWidth(r.after)
	keep := min(before, max(room/2, room-after)) // cells before the match
	text := r.before
	for cut := before - keep; m.method.StringWidth(text) > keep; cut++ { // a wide character may be cut in two
		text = m.method.TruncateLeft(r.before, cut, "")
	}
	rest := m.method.Truncate(r.after, max(room-keep, 0), m.theme.more)
	return text + m.theme.bar.on(match) + rest
}
