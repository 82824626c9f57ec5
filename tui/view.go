package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// View returns the screen. It is drawn again only if something changed.
func (m *Model) View() tea.View {
	if !m.dirty {
		return m.view
	}
	m.dirty = false
	rows, cursor := m.draw()
	m.view = tea.NewView(strings.Join(rows, "\n"))
	m.view.AltScreen = true
	m.view.WindowTitle = m.windowTitle()
	if cursor != nil {
		cursor.Blink = false
	}
	m.view.Cursor = cursor
	return m.view
}

// draw returns exactly as many rows as the screen has, none wider than it.
func (m *Model) draw() ([]string, *tea.Cursor) {
	if m.tiny() {
		return []string{ansi.Truncate("caisey needs 40x8", max(m.w, 0), "")}, nil
	}
	var rows []string
	var cursor *tea.Cursor
	switch {
	case m.help != nil:
		rows = m.drawHelp()
	case m.screen == screenWorkspace:
		rows, cursor = m.drawWorkspace()
	case m.screen == screenSessions:
		rows, cursor = m.drawSessions()
	case m.screen == screenReplay:
		rows, cursor = m.drawReplay()
	case m.screen == screenFind:
		rows, cursor = m.drawFind()
	case m.screen == screenApprovals:
		rows, cursor = m.drawApprovals()
	case m.screen == screenPick:
		rows, cursor = m.drawPick()
	case m.screen == screenTable:
		rows, cursor = m.drawTable()
	default:
		rows, cursor = m.drawFleet()
	}
	for len(rows) < m.h-1 {
		rows = append(rows, "")
	}
	return append(rows[:m.h-1], m.lastRow()), cursor
}

// bar returns the first row of a screen. What waits for the technician stands in it
// before all else at the right.
func (m *Model) bar(left, right string) string {
	waits, right := m.waits(), " "+right
	if m.method.StringWidth(waits+right)+20 > m.w && waits != "" {
		right = ""
	}
	return m.theme.bar.on(ends(" "+left, waits+right, m.w, m.method))
}

// lastRow is the notice, or else the mode and its keys.
func (m *Model) lastRow() string {
	if m.notice != "" {
		look := m.theme.busy
		if m.alarm {
			look = m.theme.bad
		}
		return look.on(fit(" "+m.notice, m.w, m.method))
	}
	word := " NORMAL"
	switch m.mode() {
	case typingCommand:
		word = " INSERT"
	case typingFilter:
		word = " FILTER"
	case typingFind:
		word = " FIND"
	case typingAnswer:
		word = " ANSWER"
	case typingPick:
		word = " CHECK"
	case typingForm:
		word = " SET"
	case typingYes:
		word = " SURE?"
	case typingTable:
		word = " FILTER"
	}
	if m.prefix {
		return m.theme.strong.on(word) + fit("  g: f fleet  w workspace  a approvals  r recordings  g top", m.w-len(word), m.method)
	}
	return m.theme.strong.on(word) + fit(m.keys.footer(m.mode(), m.w-len(word)), m.w-len(word), m.method)
}
