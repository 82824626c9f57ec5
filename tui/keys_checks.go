package tui

import (
	tea "charm.land/bubbletea/v2"
)

// checksKeys are the keys that lead to the checks of a pane, those of the list of
// them and of the form, where all others are text, and those of an answer.
func checksKeys() []binding {
	var t []binding
	for _, in := range []mode{onWorkspace, onReplay} {
		t = append(t, []binding{
			{in, "t", "t", "the table of this check's answer: of the newest step, or of what is held in sight", "", ask((*Model).toTable)},
			{in, "R", "R", "show or hide the raw evidence of this check", "", run((*Model).evidence)},
		}...)
	}
	t = append(t, binding{onReplay, "enter", "Enter", "the table of this check's answer", "", ask((*Model).toTable)})
	t = append(t, pickKeys()...)
	t = append(t, formKeys()...)
	t = append(t, tableKeys()...)
	return append(t, pageKeys()...)
}

func pickKeys() []binding {
	by := func(pages, rows int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.pick.move(pages*m.pick.page+rows, len(m.pick.hits)) })
	}
	return []binding{
		{typingPick, "enter", "Enter", "ask this check; one that needs parameters or changes something asks for them first", "Enter ask", ask((*Model).pickEnter)},
		{typingPick, "tab", "Tab", "its parameters", "Tab parameters", run((*Model).openForm)},
		{typingPick, "down", "down", "next check", "up/down", by(0, 1)},
		{typingPick, "up", "up", "check before", "", by(0, -1)},
		{typingPick, "pgdown", "PgDn", "a page on", "", by(1, 0)},
		{typingPick, "pgup", "PgUp", "a page back", "", by(-1, 0)},
		{typingPick, "esc ctrl+c", "Esc", "back to the pane; nothing is asked", "Esc back", run((*Model).leavePicker)},
	}
}

func formKeys() []binding {
	by := func(n int) func(*Model, string) tea.Cmd { return run(func(m *Model) { m.formMove(n) }) }
	tab := func(n int) func(*Model, string) tea.Cmd { return run(func(m *Model) { m.formTab(n) }) }
	return []binding{
		{typingForm, "enter", "Enter", "ask the check; one that changes something asks for a yes first", "Enter ask", ask((*Model).formEnter)},
		{typingForm, "tab", "Tab", "complete from what is known: values, and cells of earlier answers here", "Tab complete", tab(1)},
		{typingForm, "shift+tab", "Shift+Tab", "the completion before", "", tab(-1)},
		{typingForm, "down", "down", "next parameter", "up/down", by(1)},
		{typingForm, "up", "up", "parameter before", "", by(-1)},
		{typingForm, "esc ctrl+c", "Esc", "back to the list; nothing is asked", "Esc list", run((*Model).formLeave)},
		{typingYes, "enter", "Enter", "ask for the change, once yes is typed", "Enter ask", ask((*Model).formEnter)},
		{typingYes, "esc ctrl+c", "Esc", "back to the parameters; nothing is asked", "Esc parameters", run((*Model).formLeave)},
	}
}

func tableKeys() []binding {
	by := func(pages, rows int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.table.move(pages*max(m.table.list.page/2, 1) + rows) })
	}
	column := func(by int) func(*Model, string) tea.Cmd {
		return onTab(func(t *tableTab) { t.choose(by) })
	}
	return []binding{
		{onTable, "?", "?", "on a finding: why it is one, and its proof; elsewhere the keys", "", run((*Model).explainOrHelp)},
		{onTable, "enter", "Enter", "on a finding as ?; on a row, all of its cells", "Enter look", run((*Model).explain)},
		{onTable, "/", "/", "filter the rows as you type", "/ filter", onTab(func(t *tableTab) { t.typing = true })},
		{onTable, "<", "<", "choose the column to the left", "< > column", column(-1)},
		{onTable, ">", ">", "choose the column to the right", "", column(1)},
		{onTable, "s", "s", "sort by the chosen column: up, then down, then as it was told", "s sort", onTab((*tableTab).turn)},
		{onTable, "tab", "Tab", "next table", "Tab table", run(func(m *Model) { m.table.next(1) })},
		{onTable, "shift+tab", "Shift+Tab", "table before", "", run(func(m *Model) { m.table.next(-1) })},
		{onTable, "j down", "j", "next finding or row", "", by(0, 1)},
		{onTable, "k up", "k", "finding or row before", "", by(0, -1)},
		{onTable, "ctrl+d pgdown", "ctrl+d", "half a page on", "", by(1, 0)},
		{onTable, "ctrl+u pgup", "ctrl+u", "half a page back", "", by(-1, 0)},
		{onTable, "g-g home", "gg", "the first finding or row", "", by(0, -1<<30)},
		{onTable, "G end", "G", "the last row", "", by(0, 1<<30)},
		{typingTable, "enter", "Enter", "keep the filter and go to the rows", "Enter keep", run((*Model).keepRows)},
		{typingTable, "esc ctrl+c", "Esc", "take the filter away", "Esc no filter", run((*Model).allRows)},
		{typingTable, "down", "down", "next row", "", by(0, 1)},
		{typingTable, "up", "up", "row before", "", by(0, -1)},
	}
}

func pageKeys() []binding {
	by := func(pages, rows int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.table.page.move(pages, rows) })
	}
	return []binding{
		{onPage, "j down", "j", "a row on", "j down", by(0, 1)},
		{onPage, "k up", "k", "a row back", "k up", by(0, -1)},
		{onPage, "ctrl+d pgdown space", "ctrl+d", "a page on", "ctrl+d page", by(1, 0)},
		{onPage, "ctrl+u pgup", "ctrl+u", "a page back", "", by(-1, 0)},
		{onPage, "g-g home", "gg", "the beginning", "", by(0, -1<<30)},
		{onPage, "G end", "G", "the end", "", by(0, 1<<30)},
	}
}

// onTab is a binding about the table in sight.
func onTab(f func(t *tableTab)) func(*Model, string) tea.Cmd {
	return run(func(m *Model) {
		if t := m.table.current(); t != nil {
			f(t)
		}
		m.table.move(0)
	})
}

// explainOrHelp explains a finding; elsewhere it shows the keys.
func (m *Model) explainOrHelp() {
	if _, ok := m.table.finding(); ok {
		m.explain()
		return
	}
	m.help = &help{}
}

// rowsTyped takes a change of the filter of rows.
func (m *Model) rowsTyped() {
	t := m.table
	t.current().arrange()
	t.cursor = len(t.finds)
	t.move(0)
}

func (m *Model) keepRows() { m.table.current().typing = false }

func (m *Model) allRows() {
	t := m.table.current()
	t.typing = false
	t.filter.set("")
	m.rowsTyped()
}

// enterPane opens the table of a check, or types into the pane.
func (m *Model) enterPane() tea.Cmd {
	if cmd, ok := m.openTable(); ok {
		return cmd
	}
	m.typeInto()
	return nil
}

// toTable opens the table of a check.
func (m *Model) toTable() tea.Cmd {
	cmd, ok := m.openTable()
	if !ok {
		m.say("no check is in sight: [ and ] go to one")
	}
	return cmd
}

// evidence shows the raw evidence of a check, or hides it.
func (m *Model) evidence() {
	found := false
	toggle := func(s *sheet, sc *scroll, height int) {
		b := s.chosen(sc, height)
		if found = b != nil; !found {
			return
		}
		s.showEvidence(b, !b.told.raw)
		if b.told.raw { // it begins where the answer ends
			s.reveal(sc, place{b.n, answerLine, s.count(b, answerLine) - 1}, height)
		}
	}
	if m.screen == screenReplay {
		toggle(m.play.sheet(m), &m.play.scroll, m.play.size.h)
	} else {
		m.onSheet(func(s *sheet, p *pane, height int) { toggle(s, &p.scroll, height) })
	}
	if !found {
		m.say("no check is in sight: [ and ] go to one")
	}
}
