package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// A tableScreen shows one answer: its findings, and one of its tables.
type tableScreen struct {
	list                   // its cursor goes over the findings, then the rows
	look   func() *told    // a copy of the answer if it has changed, or nil
	told   *told           // as last looked at
	over   bool            // the check has ended
	finds  []check.Finding // the worst first
	tabs   []*tableTab
	tab    int
	page   *textPage // what is explained, or nil
	spec   sessionlog.EndpointID
	path   string // of the endpoint
	ask    check.Ask
	title  string // the question, safe to draw
	p      *pane  // whose answer it is, or nil
	back   screen
	replay struct{ playing, live bool } // as it was
}

// openTable shows the answer that the keys are about, and reports whether there is
// one.
func (m *Model) openTable() (tea.Cmd, bool) {
	t := &tableScreen{back: m.screen}
	found := false
	switch m.screen {
	case screenWorkspace:
		p := m.work.current()
		if p == nil {
			return nil, false
		}
		m.onSheet(func(s *sheet, p *pane, height int) { found = t.of(s, s.chosen(&p.scroll, height), p.stream.locked) })
		t.p, t.spec, t.path = p, p.endpoint, p.name
	case screenReplay:
		s := m.play.sheet(m)
		found = t.of(s, s.chosen(&m.play.scroll, m.play.size.h), func(fn func()) { fn() })
		t.spec, t.path = m.play.session.Endpoint, m.play.session.Path()
	}
	if !found {
		return nil, false
	}
	if t.back == screenReplay {
		t.replay.playing, t.replay.live = m.play.clock.Playing(), m.play.clock.Live()
		m.play.clock.Pause()
	}
	m.table, m.screen = t, screenTable
	t.refresh()
	if m.specs[t.spec] == nil {
		return m.fetchChecks(t.spec), true
	}
	return nil, true
}

// of has the screen show what b has told. What locked calls, nobody disturbs.
func (t *tableScreen) of(s *sheet, b *block, locked func(func())) bool {
	if b == nil {
		return false
	}
	t.ask, _ = b.asked()
	t.title = b.text
	d, seen := b.told, -1
	t.look = func() (c *told) {
		locked(func() {
			if t.over = b.ended != nil; d.version != seen {
				seen, c = d.version, d.copied()
			}
		})
		return c
	}
	return true
}

// locked calls fn while the transcript stands still.
func (s *stream) locked(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// leaveTable goes back to where the table was opened.
func (m *Model) leaveTable() {
	t := m.table
	m.table, m.screen = nil, t.back
	if m.play != nil && t.back == screenReplay {
		switch {
		case t.replay.live:
			m.play.clock.Follow()
		case t.replay.playing:
			m.play.clock.Play()
		}
	}
	m.staleAll()
	m.wakePanes(true)
}

// refresh takes what has come in, and reports whether something has.
func (t *tableScreen) refresh() bool {
	over := t.over
	d := t.look()
	if d == nil {
		return over != t.over
	}
	before := len(t.finds)
	t.told, t.finds = d, d.Worst()
	for i := range d.Tables {
		if i == len(t.tabs) {
			t.tabs = append(t.tabs, &tableTab{sort: -1})
		}
		t.tabs[i].take(&d.Tables[i], d.gone[i])
	}
	if t.cursor >= before && before > 0 || before == 0 && t.cursor > 0 {
		t.cursor += len(t.finds) - before
	}
	t.move(0)
	return true
}

// current returns the table in sight, or nil if there is none.
func (t *tableScreen) current() *tableTab {
	if t.tab < len(t.tabs) {
		return t.tabs[t.tab]
	}
	return nil
}

// total is how many findings and rows there are for the cursor.
func (t *tableScreen) total() int {
	n := len(t.finds)
	if tab := t.current(); tab != nil {
		n += len(tab.order)
	}
	return n
}

func (t *tableScreen) move(by int) { t.list.move(by, t.total()) }

// finding returns the finding under the cursor, if one is.
func (t *tableScreen) finding() (check.Finding, bool) {
	if t.cursor < len(t.finds) {
		return t.finds[t.cursor], true
	}
	return check.Finding{}, false
}

// next goes to another table.
func (t *tableScreen) next(by int) {
	n := len(t.tabs)
	if n == 0 {
		return
	}
	onRow := t.cursor >= len(t.finds)
	if t.tab = (t.tab + by + n) % n; onRow {
		t.cursor = len(t.finds)
	}
	t.move(0)
}

// escape takes away what was added last, and reports whether there was anything.
func (t *tableScreen) escape() bool {
	tab := t.current()
	switch {
	case t.page != nil:
		t.page = nil
	case tab != nil && len(tab.filter.text) > 0:
		tab.filter.set("")
		tab.arrange()
		t.move(0)
	default:
		return false
	}
	return true
}

// A tableTab is one table as it is looked at.
type tableTab struct {
	check.Rows
	gone   int        // rows that fell out before the first
	cells  [][]string // of all rows, safe to draw
	order  []int      // the rows in sight, in order
	column int        // the one that is chosen
	sort   int        // the column that is sorted by, or -1
	down   bool       // the largest first
	filter editor
	rows   list // which of order are in sight
	typing bool
}

// take takes the table as it is now.
func (t *tableTab) take(rows *check.Rows, gone int) {
	if fell := gone - t.gone; fell > 0 {
		t.cells = t.cells[min(fell, len(t.cells)):]
	}
	t.Rows, t.gone = *rows, gone
	t.cells = t.cells[:min(len(t.cells), len(rows.Rows))]
	for _, row := range rows.Rows[len(t.cells):] {
		t.cells = append(t.cells, rows.Cells(row))
	}
	t.arrange()
}

// arrange works out the rows in sight and their order.
func (t *tableTab) arrange() {
	words := strings.Fields(strings.ToLower(t.filter.String()))
	t.order = make([]int, 0, len(t.cells))
	for i, cells := range t.cells {
		if len(words) == 0 || has(strings.ToLower(strings.Join(cells, " ")), words) {
			t.order = append(t.order, i)
		}
	}
	if t.sort < 0 {
		return
	}
	col := t.Columns[t.sort]
	keys := make([]sortKey, len(t.Rows.Rows))
	for _, i := range t.order {
		keys[i] = newSortKey(col, t.Rows.Rows[i][t.sort])
	}
	slices.SortStableFunc(t.order, func(a, b int) int {
		return keys[a].compare(keys[b], t.down)
	})
}

// choose chooses another column.
func (t *tableTab) choose(by int) {
	t.column = min(max(t.column+by, 0), len(t.Columns)-1)
}

// turn sorts by the chosen column: the smallest first, then the largest, then as the
// rows were sent.
func (t *tableTab) turn() {
	switch {
	case t.sort != t.column:
		t.sort, t.down = t.column, false
	case !t.down:
		t.down = true
	default:
		t.sort, t.down = -1, false
	}
	t.arrange()
}
