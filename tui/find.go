package tui

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// typingPause is how long nothing is typed before what was typed is looked for.
const typingPause = 300 * time.Millisecond

// A findScreen finds text in all records that the technician may see. It stands
// over the screen from which it was opened, and gives it back as it was.
type findScreen struct {
	list  // its filter is the line that is typed
	query findQuery
	bad   error // why what is typed is no query, or nil

	typed  int                // how often the line has changed
	asked  int                // which question is the newest
	asking findQuery          // that question
	stop   context.CancelFunc // gives it up; nil if no answer is awaited
	opens  int                // which hit is the newest to be opened

	answered bool // what follows is an answer
	found    console.Found
	rows     []findRow
	err      error

	under beneath
}

// beneath is what the find screen was opened over.
type beneath struct {
	screen  screen
	insert  bool
	help    *help
	play    *playback
	playing bool // play was, and goes on when it is back
	live    bool // it followed what came in
}

// openFind shows the find screen, with what was found before.
func (m *Model) openFind() tea.Cmd {
	m.findLeave()
	m.find.under = beneath{screen: m.screen, insert: m.insert, help: m.help, play: m.play}
	if p := m.play; p != nil {
		m.find.under.playing, m.find.under.live = p.clock.Playing(), p.clock.Live()
		p.clock.Pause()
	}
	m.insert, m.help, m.play = false, nil, nil
	m.screen = screenFind
	return m.findTyped() // what was looked for may be there now
}

// closeFind goes back to the screen beneath, which is as it was.
func (m *Model) closeFind() {
	m.find.giveUp()
	m.find.opens++ // what is being opened is not wanted any more
	b := m.find.under
	m.find.under = beneath{}
	m.screen, m.insert, m.help, m.play = b.screen, b.insert, b.help, b.play
	switch {
	case b.live:
		m.play.clock.Follow()
	case b.playing:
		m.play.clock.Play()
	}
	m.staleAll()
	m.wakePanes(true)
	m.pacer.wake(true) // for what the replay has read meanwhile
}

// findLeave lets go of the replay beneath, for good.
func (m *Model) findLeave() {
	if p := m.find.under.play; p != nil {
		p.stop()
	}
	m.find.under = beneath{}
}

// findTyped takes a change of the line: what it says now is looked for once
// nothing more is typed for a while.
func (m *Model) findTyped() tea.Cmd {
	f := &m.find
	f.typed++
	f.query, f.bad = parseFind(f.filter.String(), m.cfg.Now())
	if f.bad != nil || !f.query.asks() {
		f.giveUp()
		f.answered, f.found, f.rows, f.err = false, console.Found{}, nil, nil
		return nil
	}
	if f.current() {
		return nil
	}
	n := f.typed
	return func() tea.Msg {
		if !sleep(m.ctx, typingPause) {
			return nil
		}
		return findDueMsg{n}
	}
}

// A findDueMsg says that nothing was typed for a while since the n-th change.
type findDueMsg struct{ typed int }

func (m *Model) findDue(msg findDueMsg) tea.Cmd {
	if f := &m.find; m.screen != screenFind || msg.typed != f.typed || f.current() {
		return nil
	}
	return m.findAsk()
}

// current reports whether the answer to what is typed is there, or awaited.
func (f *findScreen) current() bool {
	return f.bad == nil && f.query.same(&f.asking) && (f.answered || f.stop != nil)
}

// giveUp cancels the question whose answer is awaited.
func (f *findScreen) giveUp() {
	if f.stop != nil {
		f.stop()
		f.stop = nil
		f.asked++ // its answer is not wanted
		f.asking = findQuery{}
	}
}

// A findMsg is the answer to a question.
type findMsg struct {
	asked int
	found console.Found
	err   error
}

// findAsk asks for what is typed, and gives up what was asked before.
func (m *Model) findAsk() tea.Cmd {
	f := &m.find
	f.giveUp()
	f.asked++
	f.asking = f.query
	ctx, cancel := context.WithCancel(m.ctx)
	f.stop = cancel
	asked, q := f.asked, f.query.TextQuery
	return func() tea.Msg {
		found, err := m.cfg.Backend.Find(ctx, q)
		return findMsg{asked, found, err}
	}
}

// findAnswer takes an answer, unless something else was asked since.
func (m *Model) findAnswer(msg findMsg) {
	f := &m.find
	if msg.asked != f.asked {
		return
	}
	f.stop()
	f.stop = nil
	f.answered, f.found, f.err = true, msg.found, msg.err
	f.rows = make([]findRow, len(msg.found.Hits))
	for i := range f.rows {
		f.rows[i] = newFindRow(msg.found.Hits[i])
	}
	f.cursor, f.top = 0, 0
}

// findEnter looks for what was typed; once it is found, it opens the hit under
// the cursor.
func (m *Model) findEnter() tea.Cmd {
	f := &m.find
	switch {
	case f.bad != nil || !f.query.asks() || f.stop != nil && f.current():
		return nil
	case !f.current() || f.err != nil:
		return m.findAsk()
	case f.cursor < len(f.rows):
		return m.openHit(&f.rows[f.cursor])
	}
	return nil
}

// A hitMsg is the session of a hit that is to be opened.
type hitMsg struct {
	opens int
	seq   sessionlog.Seq
	text  string // of the hit, safe to draw
	found []console.Session
	err   error
}

// openHit asks for the session of a hit, to replay it.
func (m *Model) openHit(row *findRow) tea.Cmd {
	m.find.opens++
	session := row.Session
	msg := hitMsg{opens: m.find.opens, seq: row.Seq, text: row.match}
	m.say("opening the replay")
	return func() tea.Msg {
		msg.found, msg.err = m.cfg.Backend.Search(m.ctx, console.Query{ID: session, Limit: 1})
		return msg
	}
}

// hitOpened replays the session of a hit, beginning with the hit.
func (m *Model) hitOpened(msg hitMsg) {
	if m.screen != screenFind || msg.opens != m.find.opens {
		return
	}
	m.notice = ""
	switch {
	case msg.err != nil:
		m.fail("open the replay", msg.err)
	case len(msg.found) == 0:
		m.fail("open the replay", errors.New("the session is not there any more"))
	default:
		m.replayAt(msg.found[0], msg.seq, msg.text)
	}
}

// findClear empties the line, or says how to leave.
func (m *Model) findClear() tea.Cmd {
	if len(m.find.filter.text) == 0 {
		m.say("Esc leaves the search")
		return nil
	}
	m.find.filter.set("")
	return m.findTyped()
}
