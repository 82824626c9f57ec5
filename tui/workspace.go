package tui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

// A workspace is the panes that a technician has open.
type workspace struct {
	panes  []*pane
	focus  int
	layout layout
	zoom   bool
	rects  []rect // of the panes, as last drawn
}

// current returns the focused pane, or nil.
func (w *workspace) current() *pane {
	if len(w.panes) == 0 {
		return nil
	}
	return w.panes[w.focus]
}

// setFocus moves the focus and marks what looks other now.
func (w *workspace) setFocus(n int) {
	if n < 0 || n >= len(w.panes) {
		return
	}
	w.panes[w.focus].stale = true
	w.focus = n
	w.panes[n].stale = true
}

// area is where the panes are.
func (m *Model) area() rect { return rect{0, 1, m.w, max(m.h-2, 1)} }

// open adds a pane for each endpoint and asks for its session.
func (m *Model) open(eps ...console.Endpoint) tea.Cmd {
	var cmds []tea.Cmd
	for _, ep := range eps {
		p := &pane{endpoint: ep.ID, name: vt.Plain(ep.Path()), stale: true}
		m.work.panes = append(m.work.panes, p)
		cmds = append(cmds, m.do(console.Open{Endpoint: ep.ID}, func(r console.Receipt, err error) {
			p.stale = true
			if err != nil {
				p.failed = errText(err)
				return
			}
			m.follow(p, r)
		}))
	}
	return tea.Batch(cmds...)
}

// watch adds a pane that only looks at a session.
func (m *Model) watch(s console.Session) {
	p := &pane{endpoint: s.Endpoint, name: vt.Plain(s.Path()), owner: vt.Plain(s.Technician), watch: true, stale: true}
	m.work.panes = append(m.work.panes, p)
	m.follow(p, console.Receipt{Session: s.ID})
	m.work.setFocus(len(m.work.panes) - 1)
	m.show(screenWorkspace)
}

// follow starts the goroutine that follows a pane's session.
func (m *Model) follow(p *pane, r console.Receipt) {
	if m.indexOf(p) < 0 {
		return // closed meanwhile
	}
	ctx, cancel := context.WithCancel(m.ctx)
	p.stop = cancel
	p.stream = &stream{backend: m.cfg.Backend, session: r.Session, transcript: &transcript{}}
	p.stream.wake = func() { m.pacer.wake(m.focused.Load() == p) }
	m.wg.Go(func() { p.stream.run(ctx) })
}

func (m *Model) indexOf(p *pane) int {
	for i, q := range m.work.panes {
		if q == p {
			return i
		}
	}
	return -1
}

// closePane closes the focused pane. Its session stays open.
func (m *Model) closePane() {
	p := m.work.current()
	if p == nil {
		return
	}
	if p.stop != nil {
		p.stop()
	}
	m.work.panes = remove(m.work.panes, p)
	m.work.focus = max(0, min(m.work.focus, len(m.work.panes)-1))
	m.work.zoom = false
	for _, q := range m.work.panes {
		q.stale = true // numbers change
	}
	m.say(p.name + " is closed here; its session stays open")
	if len(m.work.panes) == 0 {
		m.show(screenFleet)
	}
}

// neighbour moves the focus to the nearest pane in a direction.
func (m *Model) neighbour(dx, dy int) {
	w := &m.work
	if w.current() == nil || len(w.rects) != len(w.panes) {
		return
	}
	best, from := -1, w.rects[w.focus]
	for i, r := range w.rects {
		if r.h == 0 || i == w.focus || !beyond(from, r, dx, dy) {
			continue
		}
		if best < 0 || distance(from, r) < distance(from, w.rects[best]) {
			best = i
		}
	}
	if best < 0 { // none there: the next in number
		best = w.focus + dx + dy
	}
	w.setFocus(best)
}

// beyond reports whether to lies in the direction from from.
func beyond(from, to rect, dx, dy int) bool {
	switch {
	case dx < 0:
		return to.x+to.w <= from.x
	case dx > 0:
		return to.x >= from.x+from.w
	case dy < 0:
		return to.y+to.h <= from.y
	default:
		return to.y >= from.y+from.h
	}
}

func distance(a, b rect) int {
	dx, dy := (2*a.x+a.w)-(2*b.x+b.w), 2*((2*a.y+a.h)-(2*b.y+b.h))
	return dx*dx + dy*dy
}

// scrollBy scrolls the focused pane.
func (m *Model) scrollBy(n int) {
	m.onSheet(func(s *sheet, p *pane, height int) { s.move(&p.scroll, n, height) })
}

// onSheet calls fn with the focused pane's transcript and the rows in sight.
func (m *Model) onSheet(fn func(s *sheet, p *pane, height int)) {
	p := m.work.current()
	if p == nil {
		return
	}
	r := p.size
	p.with(m, r.w, func(s *sheet) { fn(s, p, p.body(r, !p.watch && r.h > 2)) })
	p.stale = true
}

// halfPage is how far ctrl+d scrolls.
func (m *Model) halfPage() int {
	if p := m.work.current(); p != nil {
		return max(1, p.size.h/2)
	}
	return 1
}

// typeInto begins INSERT in the focused pane.
func (m *Model) typeInto() {
	switch p := m.work.current(); {
	case p == nil:
	case p.watch:
		m.say("this pane only watches " + p.owner + "; open the endpoint to type")
	default:
		m.insert, p.stale = true, true
	}
}

// drawWorkspace returns the rows of the screen and where the cursor is.
func (m *Model) drawWorkspace() ([]string, *tea.Cursor) {
	w := &m.work
	if w.current() == nil {
		return append([]string{m.bar("CAISEY workspace", m.who())},
			"", "  no panes are open: gf is the fleet, Enter there opens endpoints"), nil
	}
	area := m.area()
	w.rects = arrange(w.layout, w.zoom, len(w.panes), w.focus, area)
	rows := make([]string, m.h-1)
	rows[0] = m.workspaceBar()
	for i, p := range w.panes {
		r := w.rects[i]
		if r.h == 0 {
			continue
		}
		if p.needsDraw(r) {
			p.draw(m, r, i+1, i == w.focus)
		}
		p.size = r
		for y, row := range p.drawn {
			if r.x > 0 {
				rows[r.y+y] += m.theme.dim.on(m.theme.wall)
			}
			rows[r.y+y] += row
		}
	}
	if p := w.current(); p.cursor >= 0 {
		r := w.rects[w.focus]
		return rows, tea.NewCursor(r.x+p.cursor, r.y+r.h-1)
	}
	return rows, nil
}

func (m *Model) workspaceBar() string {
	w := &m.work
	seen, running, held := 0, 0, 0
	for i, p := range w.panes {
		if w.rects[i].h > 0 {
			seen++
		}
		r, h := p.counts()
		running, held = running+r, held+h
	}
	parts := []string{fmt.Sprintf("CAISEY workspace   pane %d of %d", w.focus+1, len(w.panes))}
	if seen < len(w.panes) {
		parts = append(parts, fmt.Sprintf("%d in sight", seen))
	}
	if w.zoom {
		parts = append(parts, "ZOOM")
	} else if len(w.panes) > 1 {
		parts = append(parts, "layout "+w.layout.String())
	}
	if running > 0 {
		parts = append(parts, fmt.Sprintf("%d RUNNING", running))
	}
	if held > 0 {
		parts = append(parts, fmt.Sprintf("%d WAITING", held))
	}
	return m.bar(strings.Join(parts, "   "), m.who())
}
