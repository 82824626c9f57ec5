package tui

import "github.com/charmbracelet/x/ansi"

// A help is the overlay that shows the key table.
type help struct {
	top  int
	rows int // in all
	page int // in sight
}

func (h *help) move(n int) { h.top = min(max(h.top+n, 0), max(0, h.rows-h.page)) }

// drawHelp returns the rows of the screen.
func (m *Model) drawHelp() []string {
	rows := []string{m.bar("CAISEY keys   "+m.under().String(), m.who())}
	var all []string
	shown := []mode{m.under(), typingFind, everywhere}
	switch m.under() {
	case onWorkspace:
		shown = []mode{onWorkspace, typingCommand, typingFind, everywhere, typingPick, typingForm, typingYes}
	case onReplay:
		shown = []mode{onReplay, typingPrompt, typingFind, everywhere}
	case onApprovals, onOrder:
		shown = []mode{m.under(), typingAnswer, typingFind, everywhere}
	case onTable:
		shown = []mode{onTable, typingTable, onPage, typingFind, everywhere}
	case onFleet, onSessions:
		shown = []mode{m.under(), typingFilter, typingFind, everywhere}
	}
	for _, in := range shown {
		all = append(all, m.theme.strong.on(" "+in.String()))
		for _, b := range m.keys.table {
			if b.mode == in {
				all = append(all, m.theme.title.on(fit("   "+b.show, 14, m.method))+ansi.Truncate(b.help, max(m.w-14, 0), m.theme.more))
			}
		}
	}
	h := m.help
	h.rows, h.page = len(all), max(m.h-2, 1)
	h.move(0)
	return append(rows, all[h.top:min(len(all), h.top+h.page)]...)
}
