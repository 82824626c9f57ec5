package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// A mode is what the keys mean at a moment. A key that a mode does not have
// means what it means everywhere, unless the mode is one of typing.
type mode int

const (
	everywhere mode = iota
	onFleet
	onWorkspace
	onSessions
	onReplay
	onApprovals
	onOrder // one approval is looked at
	onTable // the answer of a check
	onPage  // what is explained of it
	inHelp
	typingCommand // INSERT
	typingFilter
	typingFind
	typingPrompt // of a replay
	typingAnswer // to an approval
	typingPick   // what to ask an endpoint
	typingForm   // parameters
	typingYes    // to a change
	typingTable  // the filter of an answer's rows
	modes
)

func (m mode) String() string {
	return [...]string{"everywhere", "fleet", "workspace", "recordings", "replay", "approvals", "approval", "table", "explanation", "help", "INSERT", "filter", "find", "prompt", "answer", "checks", "parameters", "change", "rows"}[m]
}

// alone reports whether a mode has no other keys than its own.
func (m mode) alone() bool { return m >= inHelp }

// A binding is one row of the key table. The table makes the footer, the help
// and the dispatch; there is no other place that knows a key.
type binding struct {
	mode mode
	keys string // names as Bubble Tea has them, with spaces between; "g-f" is g, then f
	show string // how people read the keys
	help string // what they do
	foot string // the hint in the footer; "" leaves it out
	do   func(m *Model, key string) tea.Cmd
}

// A keymap finds the binding of a key.
type keymap struct {
	table  []binding
	byMode [modes]map[string]*binding
}

func newKeymap() keymap {
	k := keymap{table: keyTable()}
	for i := range k.table {
		b := &k.table[i]
		if k.byMode[b.mode] == nil {
			k.byMode[b.mode] = map[string]*binding{}
		}
		for _, key := range strings.Fields(b.keys) {
			k.byMode[b.mode][key] = b
		}
	}
	return k
}

// find returns the binding of key, or nil.
func (k *keymap) find(in mode, key string) *binding {
	if b := k.byMode[in][key]; b != nil {
		return b
	}
	if in.alone() {
		return nil
	}
	return k.byMode[everywhere][key]
}

// prefix reports whether key begins a binding of two keys.
func (k *keymap) prefix(in mode, key string) bool {
	return key == "g" && !in.alone()
}

// footer returns the hints of a mode that fit into width cells.
func (k *keymap) footer(in mode, width int) string {
	var out strings.Builder
	for _, m := range []mode{in, everywhere} {
		if m == everywhere && in.alone() {
			break
		}
		for _, b := range k.table {
			if b.mode != m || b.foot == "" {
				continue
			}
			hint := "  " + b.foot
			if out.Len()+len(hint) > width {
				return out.String()
			}
			out.WriteString(hint)
		}
	}
	return out.String()
}

// run is a binding that does not care which key it was.
func run(f func(m *Model)) func(*Model, string) tea.Cmd {
	return func(m *Model, _ string) tea.Cmd { f(m); return nil }
}

// ask is a binding that makes a command.
func ask(f func(m *Model) tea.Cmd) func(*Model, string) tea.Cmd {
	return func(m *Model, _ string) tea.Cmd { return f(m) }
}

// keyTable returns all bindings. The footer takes hints in this order.
func keyTable() []binding {
	var t []binding
	for _, part := range [][]binding{fleetKeys(), workspaceKeys(), sessionsKeys(), replayKeys(), promptKeys(), typingKeys(), findKeys(), approvalsKeys(), checksKeys(), helpKeys(), globalKeys()} {
		t = append(t, part...)
	}
	return t
}

func globalKeys() []binding {
	return []binding{
		{everywhere, "?", "?", "show the keys", "? keys", run(func(m *Model) { m.help = &help{} })},
		{everywhere, "g-f", "gf", "go to the fleet", "", run(func(m *Model) { m.show(screenFleet) })},
		{everywhere, "g-w", "gw", "go to the workspace", "", run(func(m *Model) { m.show(screenWorkspace) })},
		{everywhere, "g-r", "gr", "go to the recordings of all endpoints", "", ask(func(m *Model) tea.Cmd { return m.showSessions(nil) })},
		{everywhere, "ctrl+l", "ctrl+l", "draw the screen again", "", ask(func(m *Model) tea.Cmd { m.staleAll(); return tea.ClearScreen })},
		{everywhere, "q", "q", "close the screen; on the fleet, leave", "q close", ask((*Model).closeScreen)},
		{everywhere, "ctrl+c", "ctrl+c", "say how to leave", "", run(func(m *Model) { m.say("q quits") })},
		{everywhere, "esc", "Esc", "one step back; changes nothing on an endpoint", "", run((*Model).escape)},
	}
}

func helpKeys() []binding {
	by := func(n int) func(*Model, string) tea.Cmd { return run(func(m *Model) { m.help.move(n) }) }
	return []binding{
		{inHelp, "j down", "j", "down", "j down", by(1)},
		{inHelp, "k up", "k", "up", "k up", by(-1)},
		{inHelp, "ctrl+d pgdown space", "ctrl+d", "down a page", "ctrl+d page", by(10)},
		{inHelp, "ctrl+u pgup", "ctrl+u", "up a page", "", by(-10)},
		{inHelp, "esc q ? enter ctrl+c", "Esc", "close the help", "Esc close", run(func(m *Model) { m.help = nil })},
	}
}

// typingKeys are the keys of INSERT and of a filter; all others are text.
func typingKeys() []binding {
	insert := func(f func(m *Model, p *pane) tea.Cmd) func(*Model, string) tea.Cmd {
		return ask(func(m *Model) tea.Cmd {
			p := m.work.current()
			p.stale = true
			return f(m, p)
		})
	}
	recall := func(by int) func(*Model, string) tea.Cmd {
		return insert(func(m *Model, p *pane) tea.Cmd { p.recall(m, by); return nil })
	}
	return []binding{
		{typingCommand, "enter", "Enter", "run the command on this pane's endpoint", "Enter run", insert(func(m *Model, p *pane) tea.Cmd { return p.send(m) })},
		{typingCommand, "esc", "Esc", "back to NORMAL; the text stays", "Esc normal", run((*Model).leaveInsert)},
		{typingCommand, "ctrl+c", "ctrl+c", "cancel your newest running command here, or clear the text", "ctrl+c cancel run", insert(func(m *Model, p *pane) tea.Cmd { return p.cancel(m) })},
		{typingCommand, "up", "up", "an older command of yours in this session", "up/down history", recall(1)},
		{typingCommand, "down", "down", "a newer one", "", recall(-1)},
		{typingCommand, "pgup", "PgUp", "scroll back", "PgUp scroll", run(func(m *Model) { m.scrollBy(-m.halfPage()) })},
		{typingCommand, "pgdown", "PgDn", "scroll on", "", run(func(m *Model) { m.scrollBy(m.halfPage()) })},
		{typingFilter, "enter", "Enter", "keep the filter and go to the list", "Enter keep", run(func(m *Model) { m.list().typing = false })},
		{typingFilter, "esc ctrl+c", "Esc", "take the filter away", "Esc no filter", run((*Model).clearFilter)},
		{typingFilter, "down", "down", "next row", "", run(func(m *Model) { m.moveCursor(1) })},
		{typingFilter, "up", "up", "row before", "", run(func(m *Model) { m.moveCursor(-1) })},
	}
}

// findKeys are the key that leads to the find screen from everywhere, and those on
// it; all others are text.
func findKeys() []binding {
	by := func(pages, rows int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.find.move(pages*m.find.page+rows, len(m.find.rows)) })
	}
	var t []binding
	for _, in := range []mode{everywhere, inHelp, typingCommand, typingFilter, typingPrompt} {
		t = append(t, binding{in, "ctrl+f", "ctrl+f", "find text in all records", "", ask((*Model).openFind)})
	}
	return append(t, []binding{
		{typingFind, "enter", "Enter", "look for it at once; then, replay the record from this hit", "Enter replay", ask((*Model).findEnter)},
		{typingFind, "esc", "Esc", "back to where you came from", "Esc back", run((*Model).closeFind)},
		{typingFind, "down", "down", "next hit", "up/down hit", by(0, 1)},
		{typingFind, "up", "up", "hit before", "", by(0, -1)},
		{typingFind, "pgdown", "PgDn", "a page on", "", by(1, 0)},
		{typingFind, "pgup", "PgUp", "a page back", "", by(-1, 0)},
		{typingFind, "ctrl+c", "ctrl+c", "empty the line", "ctrl+u clear", ask((*Model).findClear)},
	}...)
}
