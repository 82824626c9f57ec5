package tui

import (
	"slices"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// grace is how long after the list changed under the cursor no key answers: it was
// pressed for what was there before.
const grace = 400 * time.Millisecond

// An approvals screen is what waits for an answer, oldest first, and the one of it
// that is looked at.
type approvals struct {
	list
	all     []console.Approval
	known   bool
	trouble string                     // what is wrong with the connection, or ""
	mine    int                        // how many the technician may approve
	rung    map[sessionlog.StepID]bool // for which no bell is rung any more
	changed time.Time                  // when what is under the cursor did last
	open    *order                     // what is looked at, or nil
	back    screen                     // where q leads
}

// showApprovals opens the screen.
func (m *Model) showApprovals() {
	a := &m.app
	if m.screen != screenApprovals {
		a.back = screenFleet
		if m.screen == screenWorkspace || m.screen == screenSessions {
			a.back = m.screen
		}
		if i := slices.IndexFunc(a.all, func(ap console.Approval) bool { return ap.May }); i >= 0 {
			a.cursor = i
		}
		a.open = nil
	}
	m.show(screenApprovals)
}

// under returns what is under the cursor, and false if nothing is.
func (a *approvals) under() (console.Approval, bool) {
	if a.cursor < len(a.all) {
		return a.all[a.cursor], true
	}
	return console.Approval{}, false
}

// find returns where a step is in the list, or -1.
func (a *approvals) find(id sessionlog.StepID) int {
	return slices.IndexFunc(a.all, func(ap console.Approval) bool { return ap.Step == id })
}

// tookInbox takes what the inbox tells. It returns the command that rings the bell
// if something is new that the technician may approve.
func (m *Model) tookInbox(n news) tea.Cmd {
	a := &m.app
	a.trouble = n.trouble
	before, had := a.under()
	first := n.known && !a.known
	a.all, a.known = n.list, n.known
	if i := a.find(before.Step); had && i == a.cursor {
		// The cursor stands where it stood.
	} else if had || len(a.all) > 0 {
		if i >= 0 { // it moves with its step, and that stays where it is seen
			a.top = max(a.top+i-a.cursor, 0)
			a.cursor = i
		}
		a.changed = m.cfg.Now()
	}
	a.move(0, len(a.all))
	if a.open != nil {
		m.orderNews()
	}
	if a.count() && !first {
		return tea.Raw("\a")
	}
	return nil
}

// count counts what the technician may approve, and reports whether some of that
// was never counted before.
func (a *approvals) count() (fresh bool) {
	rung := make(map[sessionlog.StepID]bool, len(a.all))
	a.mine = 0
	for _, ap := range a.all {
		rung[ap.Step] = a.rung[ap.Step]
		if ap.May {
			a.mine++
			fresh = fresh || !rung[ap.Step]
			rung[ap.Step] = true
		}
	}
	a.rung = rung
	return fresh
}

// lookAt opens what is under the cursor.
func (m *Model) lookAt() {
	if ap, ok := m.app.under(); ok {
		m.app.open = &order{Approval: ap}
	}
}

// leaveApprovals goes from what is looked at to the list, and from there to where
// the screen was opened.
func (m *Model) leaveApprovals() {
	if m.app.open != nil {
		m.app.open = nil
		return
	}
	m.show(m.app.back)
}

// watchAsker opens a pane on the session that an approval is about.
func (m *Model) watchAsker() {
	ap, ok := m.app.under()
	if o := m.app.open; o != nil {
		ap, ok = o.Approval, true
	}
	if ok {
		m.watch(console.Session{ID: ap.Session, Client: ap.Client, Endpoint: ap.Endpoint, Name: ap.Name, Technician: ap.By})
	}
}

// waits says in the bar of every screen how much waits for the technician, or "".
func (m *Model) waits() string {
	text := ""
	switch n := m.app.mine; n {
	case 0:
		return ""
	case 1:
		text = " 1 waits for you"
	default:
		text = " " + strconv.Itoa(n) + " wait for you"
	}
	switch {
	case m.screen == screenApprovals:
	case m.mode().alone():
		text += ": Esc A"
	default:
		text += ": A"
	}
	return text + " "
}

// windowTitle is what the terminal's window is called.
func (m *Model) windowTitle() string {
	if n := m.app.mine; n > 0 {
		return "caisey !" + strconv.Itoa(n)
	}
	return "caisey"
}

// youText says in a word what the technician is to an approval.
func youText(ap console.Approval) string {
	switch {
	case ap.Mine:
		return "asked"
	case ap.May:
		return "may"
	}
	return "-"
}
