package tui

import (
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/tui/replay"
)

// listKeys are the keys of a list with a filter.
func listKeys(in mode) []binding {
	filter := binding{in, "/", "/", "filter as you type", "/ filter", run(func(m *Model) { m.list().typing = true })}
	return append([]binding{filter}, rowKeys(in)...)
}

// rowKeys are the keys that every list has.
func rowKeys(in mode) []binding {
	by := func(pages, rows int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.moveCursor(pages*m.list().page/2 + rows) })
	}
	return []binding{
		{in, "j down", "j", "next row", "", by(0, 1)},
		{in, "k up", "k", "row before", "", by(0, -1)},
		{in, "ctrl+d pgdown", "ctrl+d", "half a page on", "", by(1, 0)},
		{in, "ctrl+u pgup", "ctrl+u", "half a page back", "", by(-1, 0)},
		{in, "g-g home", "gg", "first row", "", by(0, -1<<30)},
		{in, "G end", "G", "last row", "", by(0, 1<<30)},
	}
}

func fleetKeys() []binding {
	return append([]binding{
		{onFleet, "enter", "Enter", "open the marked endpoints, or this one, side by side", "Enter open", ask(func(m *Model) tea.Cmd { return m.openChosen(true) })},
		{onFleet, "space", "Space", "mark", "Space mark", run((*Model).mark)},
		{onFleet, "o", "o", "open without leaving the fleet", "o behind", ask(func(m *Model) tea.Cmd { return m.openChosen(false) })},
		{onFleet, "s", "s", "the recordings of this endpoint", "s sessions", ask(func(m *Model) tea.Cmd { return m.showSessions(m.fleet.under()) })},
		{onFleet, "-", "-", "take all marks away", "", run(func(m *Model) {
			for _, row := range m.fleet.marked() {
				row.marked = false
			}
		})},
	}, listKeys(onFleet)...)
}

func sessionsKeys() []binding {
	return append([]binding{
		{onSessions, "enter", "Enter", "replay; a live one is watched", "Enter replay, watch live", run((*Model).openSession)},
		{onSessions, "p", "p", "replay, even if it is live", "p replay", run(func(m *Model) {
			if rec, ok := m.recs.under(); ok {
				m.replay(rec)
			}
		})},
		{onSessions, "R", "R", "ask for the list again", "R refresh", ask((*Model).search)},
	}, listKeys(onSessions)...)
}

func workspaceKeys() []binding {
	by := func(f func(m *Model) int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.scrollBy(f(m)) })
	}
	to := func(dx, dy int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.neighbour(dx, dy) })
	}
	jump := func(by int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) {
			m.onSheet(func(s *sheet, p *pane, height int) { s.jump(&p.scroll, by, height) })
		})
	}
	return []binding{
		{onWorkspace, "i", "i", "type a command in this pane", "i type", run((*Model).typeInto)},
		{onWorkspace, "c", "c", "ask this pane's endpoint a check", "c check", ask((*Model).openPicker)},
		{onWorkspace, "enter", "Enter", "the table of the newest step if it is a check, or of the check that is held; else as i", "", ask((*Model).enterPane)},
		{onWorkspace, "tab", "Tab", "next pane", "Tab next pane", run(func(m *Model) { m.cycle(1) })},
		{onWorkspace, "shift+tab", "Shift+Tab", "pane before", "", run(func(m *Model) { m.cycle(-1) })},
		{onWorkspace, "1 2 3 4 5 6 7 8 9", "1-9", "pane of that number", "", func(m *Model, key string) tea.Cmd {
			n, _ := strconv.Atoi(key)
			m.work.setFocus(n - 1)
			return nil
		}},
		{onWorkspace, "z", "z", "this pane alone, and back", "z zoom", run(func(m *Model) { m.work.zoom = !m.work.zoom })},
		{onWorkspace, "L", "L", "another layout: auto, grid, stack", "L layout", run(func(m *Model) { m.work.layout = (m.work.layout + 1) % layouts })},
		{onWorkspace, "f G end", "f", "follow the newest output (G too); of a long answer its beginning, then its end", "f follow", run((*Model).followTail)},
		{onWorkspace, "x", "x", "close this pane; its session stays open", "x close pane", run((*Model).closePane)},
		{onWorkspace, "h left", "h", "pane to the left", "", to(-1, 0)},
		{onWorkspace, "l right", "l", "pane to the right", "", to(1, 0)},
		{onWorkspace, "J ctrl+j", "J", "pane below", "", to(0, 1)},
		{onWorkspace, "K ctrl+k", "K", "pane above", "", to(0, -1)},
		{onWorkspace, "k up", "k", "scroll back a row and hold", "", by(func(*Model) int { return -1 })},
		{onWorkspace, "j down", "j", "scroll on a row", "", by(func(*Model) int { return 1 })},
		{onWorkspace, "ctrl+u pgup", "ctrl+u", "scroll back half a page and hold (PgUp too)", "", by(func(m *Model) int { return -m.halfPage() })},
		{onWorkspace, "ctrl+d pgdown", "ctrl+d", "scroll on half a page (PgDn too)", "", by((*Model).halfPage)},
		{onWorkspace, "g-g home", "gg", "the oldest row that is kept", "", by(func(*Model) int { return -1 << 30 })},
		{onWorkspace, "[", "[", "the command before, and hold", "", jump(-1)},
		{onWorkspace, "]", "]", "the next command, and hold", "", jump(1)},
	}
}

func replayKeys() []binding {
	on := func(f func(p *playback)) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { f(m.play) })
	}
	by := func(d time.Duration) func(*Model, string) tea.Cmd {
		return on(func(p *playback) { p.by(d) })
	}
	step := func(by int) func(*Model, string) tea.Cmd {
		return on(func(p *playback) { p.byMarks(by, "command", replay.Command) })
	}
	trouble := func(by int) func(*Model, string) tea.Cmd {
		return on(func(p *playback) { p.byMarks(by, "error or note", replay.Trouble, replay.Note) })
	}
	scroll := func(pages, rows int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.play.scrollBy(m, pages*m.play.size.h/2+rows) })
	}
	return []binding{
		{onReplay, "space", "Space", "play or pause", "Space pause", on((*playback).toggle)},
		{onReplay, "h left", "h", "5 s back", "h/l 5s", by(-5 * time.Second)},
		{onReplay, "l right", "l", "5 s on", "", by(5 * time.Second)},
		{onReplay, "[", "[", "the command before", "[ ] cmd", step(-1)},
		{onReplay, "]", "]", "the next command", "", step(1)},
		{onReplay, "{", "{", "the error or note before", "{ } error", trouble(-1)},
		{onReplay, "}", "}", "the next error or note: what did not end well, and output that is missing", "", trouble(1)},
		{onReplay, "/", "/", "look for text in commands, output and notes", "/ search", on(func(p *playback) { p.ask("/") })},
		{onReplay, "-", "-", "half the speed, down to 0.25x", "-/+ speed", on(func(p *playback) { p.clock.Slower() })},
		{onReplay, "+ =", "+", "twice the speed, up to 64x", "", on(func(p *playback) { p.clock.Faster() })},
		{onReplay, "n", "n", "the next line with that text", "", run(func(m *Model) { m.play.again(m, 1) })},
		{onReplay, "N", "N", "the line with that text before", "", run(func(m *Model) { m.play.again(m, -1) })},
		{onReplay, ": @", ":", "go to a time of day: at 14:52:10", "", on(func(p *playback) { p.ask(":") })},
		{onReplay, "s", "s", "cut quiet times to 2 s", "s skip idle", on(func(p *playback) { p.clock.SkipIdle(!p.clock.SkipsIdle()) })},
		{onReplay, "H", "H", "60 s back", "", by(-time.Minute)},
		{onReplay, "L", "L", "60 s on", "", by(time.Minute)},
		{onReplay, ",", ",", "one event back", "", on(func(p *playback) { p.byEvents(-1) })},
		{onReplay, ".", ".", "one event on", "", on(func(p *playback) { p.byEvents(1) })},
		{onReplay, "0 1 2 3 4 5 6 7 8 9", "0-9", "0 to 90 percent", "", func(m *Model, key string) tea.Cmd {
			n, _ := strconv.Atoi(key)
			m.play.part(n)
			return nil
		}},
		{onReplay, "g-g home", "gg", "the start", "", on(func(p *playback) { p.part(0) })},
		{onReplay, "G end", "G", "the end; of a live session its newest output, as it comes", "G end", on((*playback).end)},
		{onReplay, "k up", "k", "scroll back a row and hold", "", scroll(0, -1)},
		{onReplay, "j down", "j", "scroll on a row", "", scroll(0, 1)},
		{onReplay, "ctrl+u pgup", "ctrl+u", "scroll back half a page and hold", "", scroll(-1, 0)},
		{onReplay, "ctrl+d pgdown", "ctrl+d", "scroll on half a page", "", scroll(1, 0)},
		{onReplay, "f", "f", "follow the newest output", "", on(func(p *playback) { p.scroll.held = false })},
	}
}

// promptKeys are the keys of what is typed into a replay; all others are text.
func promptKeys() []binding {
	return []binding{
		{typingPrompt, "enter", "Enter", "go there", "Enter go", run(func(m *Model) { m.play.answer(m) })},
		{typingPrompt, "esc ctrl+c", "Esc", "leave it", "Esc leave", run(func(m *Model) { m.play.prompt = nil })},
	}
}
