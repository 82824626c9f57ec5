package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A sessions screen is the list of records, newest first.
type sessions struct {
	list
	all   []console.Session
	hits  []console.Session
	only  sessionlog.EndpointID // of this endpoint, if not empty
	of    string                // its path, safe to draw
	asked int                   // which search is the newest
	busy  bool                  // its answer has not come
}

// A foundMsg is the answer to a search.
type foundMsg struct {
	asked    int
	sessions []console.Session
	err      error
}

// showSessions opens the screen, of one endpoint or of all.
func (m *Model) showSessions(ep *endpointRow) tea.Cmd {
	s := &m.recs
	s.only, s.of = "", ""
	if ep != nil {
		s.only, s.of = ep.ID, ep.path
	}
	s.cursor, s.top = 0, 0
	m.show(screenSessions)
	return m.search()
}

// search asks for the sessions.
func (m *Model) search() tea.Cmd {
	s := &m.recs
	s.asked++
	s.busy = true
	asked, q := s.asked, console.Query{}
	if ep, ok := m.fleet.endpoint(s.only); ok {
		q.Client = ep.Client
	}
	return func() tea.Msg {
		found, err := m.cfg.Backend.Search(m.ctx, q)
		return foundMsg{asked, found, err}
	}
}

// found takes the answer to a search.
func (m *Model) found(msg foundMsg) {
	s := &m.recs
	if msg.asked != s.asked {
		return
	}
	s.busy = false
	if msg.err != nil {
		m.fail("list sessions", msg.err)
		return
	}
	s.all = msg.sessions
	s.find()
}

// find works out what the filter lets through.
func (s *sessions) find() {
	words := strings.Fields(strings.ToLower(s.filter.String()))
	s.hits = make([]console.Session, 0, len(s.all))
	for _, rec := range s.all {
		if s.only != "" && rec.Endpoint != s.only {
			continue
		}
		hay := strings.ToLower(rec.Path() + " " + rec.Technician + " " + string(rec.ID) + " " + stateOf(rec))
		if has(hay, words) {
			s.hits = append(s.hits, rec)
		}
	}
	s.move(0, len(s.hits))
}

// stateOf says in a word what a session is.
func stateOf(s console.Session) string {
	switch {
	case s.Running > 0:
		return "RUNNING"
	case s.Closed.IsZero():
		return "LIVE"
	default:
		return "SEALED"
	}
}

// under returns the session under the cursor, and false if there is none.
func (s *sessions) under() (console.Session, bool) {
	if s.cursor < len(s.hits) {
		return s.hits[s.cursor], true
	}
	return console.Session{}, false
}

// key returns the ID of the session under the cursor, or "".
func (s *sessions) key() sessionlog.SessionID {
	rec, _ := s.under()
	return rec.ID
}

// goTo puts the cursor on a session, if it is among the hits.
func (s *sessions) goTo(id sessionlog.SessionID) {
	if i := slices.IndexFunc(s.hits, func(rec console.Session) bool { return rec.ID == id }); i >= 0 {
		s.cursor = i
	}
}

// openSession watches a live session, and replays a sealed one.
func (m *Model) openSession() {
	rec, ok := m.recs.under()
	switch {
	case !ok:
	case rec.Closed.IsZero():
		m.watch(rec)
	default:
		m.replay(rec)
	}
}

// drawSessions returns the rows of the screen and where the cursor is.
func (m *Model) drawSessions() ([]string, *tea.Cursor) {
	s := &m.recs
	title := "CAISEY recordings   " + plural(len(s.hits), "session")
	if s.of != "" {
		title += "   of " + s.of
	}
	if s.busy {
		title += "   searching"
	}
	rows := []string{m.bar(title, m.who())}
	filter, cursor := m.filterRow(&s.list, len(s.hits), len(s.all))
	name := max(16, min(40, m.w-46))
	by := max(6, min(20, m.w-name-40))
	rows = append(rows, filter, m.theme.dim.on(fit("   "+fit("OPENED", 14, m.method)+fit("ENDPOINT", name, m.method)+
		fit("BY", by, m.method)+fit("STEPS", 7, m.method)+fit("STATE", 9, m.method)+"EVENTS", m.w, m.method)))
	from, to := s.window(len(s.hits), m.h-len(rows)-1)
	for i := from; i < to; i++ {
		rows = append(rows, m.sessionRow(s.hits[i], i == s.cursor, name, by))
	}
	if len(s.hits) == 0 && !s.busy {
		rows = append(rows, "   no sessions are recorded that match")
	}
	return rows, cursor
}

func (m *Model) sessionRow(rec console.Session, under bool, name, by int) string {
	lead := "   "
	if under {
		lead = " > "
	}
	left := lead + fit(when(rec.Opened, m.cfg.Now()), 14, m.method) + fit(vt.Plain(rec.Path()), name-1, m.method) + " " +
		fit(vt.Plain(rec.Technician), by-1, m.method) + " " + fit(fmt.Sprint(rec.Steps), 7, m.method)
	if under {
		left = m.theme.cursor.on(left)
	}
	state, look := stateOf(rec), paint{}
	if state != "SEALED" {
		look = m.theme.busy
	}
	return left + look.on(fit(state, 9, m.method)) + fmt.Sprint(rec.Events)
}
