package tui

import (
	"fmt"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// mode returns what the keys mean now.
func (m *Model) mode() mode {
	if m.help != nil {
		return inHelp
	}
	return m.under()
}

// under returns what the keys mean beneath the help.
func (m *Model) under() mode {
	switch m.screen {
	case screenFind:
		return typingFind
	case screenWorkspace:
		if m.insert {
			return typingCommand
		}
		return onWorkspace
	case screenReplay:
		if m.play.prompt != nil {
			return typingPrompt
		}
		return onReplay
	}
	if m.screen == screenTable || m.screen == screenPick {
		return m.underChecks()
	}
	if m.screen == screenApprovals {
		switch o := m.app.open; {
		case o == nil:
			return onApprovals
		case o.asking == nil:
			return onOrder
		}
		return typingAnswer
	}
	if l := m.list(); l.typing {
		return typingFilter
	}
	if m.screen == screenSessions {
		return onSessions
	}
	return onFleet
}

// list returns the list of the screen that is shown.
func (m *Model) list() *list {
	switch m.screen {
	case screenSessions:
		return &m.recs.list
	case screenApprovals:
		return &m.app.list
	}
	return &m.fleet.list
}

// key takes one key. A terminal sends Alt and a key as Esc and that key, and so
// does somebody who types fast: it is taken as the two of them.
func (m *Model) key(k tea.KeyPressMsg) tea.Cmd {
	if k.Mod.Contains(tea.ModAlt) && k.Text == "" {
		second := tea.KeyPressMsg{Code: k.Code, ShiftedCode: k.ShiftedCode, Mod: k.Mod &^ tea.ModAlt}
		if second.Mod&^tea.ModShift == 0 && unicode.IsPrint(k.Code) {
			second.Text = string(k.Code)
			if second.Mod.Contains(tea.ModShift) {
				second.Text = string(unicode.ToUpper(k.Code))
			}
		}
		return tea.Batch(m.press(tea.KeyPressMsg{Code: tea.KeyEscape}), m.press(second))
	}
	return m.press(k)
}

func (m *Model) press(k tea.KeyPressMsg) tea.Cmd {
	in, name := m.mode(), k.String()
	m.notice = ""
	leaving := m.leaving
	m.leaving = false
	if p := m.work.current(); in == typingCommand && p != nil && p.paste != "" {
		m.answerPaste(p, name)
		return nil
	}
	if m.prefix {
		m.prefix, name = false, "g-"+name
	} else if m.keys.prefix(in, name) {
		m.prefix = true
		return nil
	}
	if b := m.keys.find(in, name); b != nil {
		m.leaving = leaving && name == "q"
		cmd := b.do(m, name)
		m.rearm()
		return cmd
	}
	return m.text(in, k)
}

// rearm wakes the pacer where a key has started something that moves by itself.
func (m *Model) rearm() {
	if !m.ended && m.tick() > 0 {
		m.pacer.wake(true)
	}
}

// text gives a key to what is typed into.
func (m *Model) text(in mode, k tea.KeyPressMsg) tea.Cmd {
	switch in {
	case typingCommand:
		p := m.work.current()
		p.edit.key(k)
		p.stale = true
	case typingFilter:
		if m.list().filter.key(k) {
			m.filtered()
		}
	case typingPrompt:
		m.play.prompt.edit.key(k)
	case typingAnswer:
		m.answerKey(k)
	case typingPick, typingForm, typingYes, typingTable:
		m.checksText(k)
	case typingFind:
		if m.find.filter.key(k) {
			return m.findTyped()
		}
	}
	return nil
}

// filtered works out the hits of a filter that changed.
func (m *Model) filtered() {
	m.list().cursor = 0
	if m.screen == screenSessions {
		m.recs.find()
		return
	}
	m.fleet.find()
}

// lineEnds undoes what terminals do to pasted text: they send CR for LF.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// pasted takes pasted text. Into a command line, anything that is not one line
// of plain text asks first.
func (m *Model) pasted(s string) tea.Cmd {
	s = lineEnds.Replace(s)
	switch p := m.work.current(); m.mode() {
	case typingFilter:
		if risky(s) == "" {
			m.list().filter.insert(s)
			m.filtered()
		}
	case typingPrompt:
		m.play.prompt.edit.insert(plainLine(s))
	case typingAnswer:
		if an := m.app.open.asking; an.word == "" && !an.bare() { // a word is typed by hand
			an.edit.insert(plainLine(s))
		}
	case typingPick, typingForm, typingTable:
		m.checksPasted(plainLine(s))
	case typingFind:
		m.find.filter.insert(strings.Join(strings.FieldsFunc(s, unicode.IsControl), " "))
		return m.findTyped()
	case typingCommand:
		p.stale = true
		if why := risky(s); why != "" {
			p.paste = s
			m.say(fmt.Sprintf("the pasted text has %s: y pastes it, any other key drops it", why))
			return nil
		}
		p.edit.insert(trimLine(s))
	}
	return nil
}

func (m *Model) answerPaste(p *pane, key string) {
	if key == "y" {
		p.edit.insert(trimLine(p.paste))
	}
	p.paste, p.stale = "", true
}

func trimLine(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}

// show goes to a screen.
func (m *Model) show(s screen) {
	m.insert, m.help = false, nil
	m.screen = s
	if s != screenReplay {
		m.endReplay()
	}
	if s != screenReplay && s != screenFind {
		m.findLeave()
	}
	m.staleAll()
}

// closeScreen goes one screen back; on the fleet it leaves, asking once if
// panes are open.
func (m *Model) closeScreen() tea.Cmd {
	switch m.screen {
	case screenReplay:
		if m.cfg.Replay != "" && m.play.back != screenFind {
			return m.quit()
		}
		m.show(m.play.back)
	case screenFleet:
		if n := len(m.work.panes); n > 0 && !m.leaving {
			m.leaving = true
			m.say(fmt.Sprintf("%s open; q again quits, sessions and commands go on", plural(n, "pane")))
			return nil
		}
		return m.quit()
	case screenApprovals:
		m.leaveApprovals()
	case screenTable:
		m.closeTable()
	default:
		m.show(screenFleet)
	}
	return nil
}

// escape takes away what was added last: zoom, hold, filter.
func (m *Model) escape() {
	switch m.screen {
	case screenWorkspace:
		m.work.zoom = false
	case screenFleet, screenSessions:
		m.clearFilter()
	case screenReplay:
		m.play.escape()
	case screenTable:
		if !m.table.escape() {
			m.leaveTable()
		}
	case screenApprovals:
		m.leaveApprovals()
	}
}

func (m *Model) clearFilter() {
	l := m.list()
	l.typing = false
	l.filter.set("")
	rec, ep := m.recs.key(), m.fleet.under()
	m.filtered()
	// The cursor stays where it was: the next key may open what is under it.
	m.recs.goTo(rec)
	m.fleet.goTo(ep)
}

func (m *Model) leaveInsert() {
	m.insert = false
	m.work.current().stale = true
}

// moveCursor moves the cursor of the list that is shown.
func (m *Model) moveCursor(n int) {
	switch m.screen {
	case screenSessions:
		m.recs.move(n, len(m.recs.hits))
		return
	case screenApprovals:
		m.app.move(n, len(m.app.all))
		return
	}
	m.fleet.move(n, len(m.fleet.hits))
}

// mark marks the endpoint under the cursor, or takes the mark away.
func (m *Model) mark() {
	if row := m.fleet.under(); row != nil {
		row.marked = !row.marked
		m.moveCursor(1)
	}
}

// openChosen opens the marked endpoints, or the one under the cursor.
func (m *Model) openChosen(look bool) tea.Cmd {
	eps := m.fleet.chosen()
	if len(eps) == 0 {
		return nil
	}
	first := len(m.work.panes)
	cmd := m.open(eps...)
	if look {
		m.show(screenWorkspace)
		m.work.setFocus(first)
		return cmd
	}
	m.say(fmt.Sprintf("%s opened behind; gw shows them", plural(len(eps), "pane")))
	return cmd
}

// cycle moves the focus to the next pane, or the one before.
func (m *Model) cycle(by int) {
	if n := len(m.work.panes); n > 0 {
		m.work.setFocus((m.work.focus + by + n) % n)
	}
}

// followTail shows the newest output of the focused pane again: of a long answer its
// beginning, and its end if that is shown already.
func (m *Model) followTail() {
	if p := m.work.current(); p != nil && p.scroll.held {
		p.scroll.held, p.stale = false, true
		return
	}
	m.onSheet(func(s *sheet, p *pane, height int) {
		if s.cut(&p.scroll, height) > 0 {
			p.scroll = scroll{true, s.tail(height)}
		}
	})
}
