package tui

import tea "charm.land/bubbletea/v2"

// underChecks returns what the keys mean while an endpoint is asked something or an
// answer is looked at.
func (m *Model) underChecks() mode {
	if m.screen == screenTable {
		switch tab := m.table.current(); {
		case m.table.page != nil:
			return onPage
		case tab != nil && tab.typing:
			return typingTable
		}
		return onTable
	}
	switch f := m.pick.form; {
	case f == nil:
		return typingPick
	case f.sure != nil:
		return typingYes
	}
	return typingForm
}

// checksText gives a key to what is typed there.
func (m *Model) checksText(k tea.KeyPressMsg) {
	switch m.mode() {
	case typingPick:
		if m.pick.filter.key(k) {
			m.pick.cursor = 0
			m.pick.find()
		}
	case typingTable:
		if m.table.current().filter.key(k) {
			m.rowsTyped()
		}
	default:
		m.pick.form.key(k)
	}
}

// checksPasted takes pasted text there. A yes is typed by hand.
func (m *Model) checksPasted(s string) {
	switch m.mode() {
	case typingPick:
		m.pick.filter.insert(s)
		m.pick.cursor = 0
		m.pick.find()
	case typingTable:
		m.table.current().filter.insert(s)
		m.rowsTyped()
	case typingForm:
		f := m.pick.form
		f.tab = tabbed{}
		f.fields[f.cursor].edit.insert(s)
	}
}

// closeTable closes what is explained, or the table.
func (m *Model) closeTable() {
	if m.table.page != nil {
		m.table.page = nil
		return
	}
	m.leaveTable()
}
