// Package tui shows Backends: the fleet, a workspace of panes, the recordings,
// what is found in them, and their replay.
//
// One [Model] is one technician's interface in one terminal. Its state is owned
// by the Bubble Tea program that runs it; what comes in from the Backend is
// folded by goroutines of the Model's own, which end at [Model.Close]. All text
// from the Backend passes package vt before it is drawn.
package tui

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// Config says what a Model shows and how. Only Backend is needed.
type Config struct {
	// Backend is the relay as the technician sees it.
	Backend console.Backend
	// Open lists targets, as in console.Selector, to open side by side at once.
	Open []string
	// Replay is a session to replay at once; leaving that replay leaves the
	// program.
	Replay sessionlog.SessionID
	// ASCII draws with nothing but ASCII.
	ASCII bool
	// NoColor draws without colours, those of endpoints included. Weight and
	// reverse stay.
	NoColor bool
	// Now tells the time. If nil, time.Now.
	Now func() time.Time
}

// The largest screen that is drawn. A terminal may claim any size.
const (
	maxWidth  = 400
	maxHeight = 150
	minWidth  = 40
	minHeight = 8
)

type screen int

const (
	screenFleet screen = iota
	screenWorkspace
	screenSessions
	screenReplay
	screenFind
	screenApprovals
	screenPick
	screenTable
)

// A Model is the interface as a Bubble Tea model. Its methods are called by the
// program; Close is called by whoever ran the program, after it has ended.
type Model struct {
	// Static after New.
	cfg    Config
	keys   keymap
	pacer  *pacer
	roster *roster
	inbox  *inbox
	me     string
	ctx    context.Context // ends with the Model
	cancel context.CancelFunc
	wg     sync.WaitGroup

	focused atomic.Pointer[pane] // whose news are drawn first

	// Owned by the program's event loop.
	w, h    int
	method  ansi.Method // how the terminal measures text
	dark    bool
	theme   theme
	screen  screen
	insert  bool // the focused pane takes the keys
	prefix  bool // g was pressed
	leaving bool // q was pressed on the fleet, with panes open
	notice  string
	alarm   bool // the notice is an error
	help    *help
	opened  bool // Config.Open and Config.Replay are done
	ended   bool

	fleet fleet
	work  workspace
	recs  sessions
	find  findScreen
	app   approvals
	play  *playback
	pick  *picker      // while screenPick is shown
	table *tableScreen // while screenTable is shown
	specs map[sessionlog.EndpointID][]check.Spec

	dirty bool
	view  tea.View
}

// New returns a Model. Nothing happens before the program starts it.
func New(cfg Config) *Model {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	m := &Model{cfg: cfg, keys: newKeymap(), pacer: newPacer(), me: cfg.Backend.Self().Name, dark: true, dirty: true}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.roster = &roster{backend: cfg.Backend, wake: func() { m.pacer.wake(true) }}
	m.inbox = &inbox{backend: cfg.Backend, wake: func() { m.pacer.wake(true) }}
	m.theme = newTheme(m.dark, cfg.NoColor, cfg.ASCII)
	m.w, m.h = 80, 24
	return m
}

// Close ends the Model's goroutines and waits for them. It may be called more
// than once, and after New without a program.
func (m *Model) Close() {
	m.cancel()
	m.wg.Wait()
}

// Init starts following the directory and what waits for an answer.
func (m *Model) Init() tea.Cmd {
	m.wg.Go(func() { m.roster.run(m.ctx) })
	m.wg.Go(func() { m.inbox.run(m.ctx) })
	cmds := []tea.Cmd{tea.RequestBackgroundColor, m.pacer.wait(m.ctx, 0)}
	if m.cfg.Replay != "" {
		cmds = append(cmds, m.findReplay(m.cfg.Replay))
	}
	return tea.Batch(cmds...)
}

// Update takes one message. It does no I/O.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.dirty = true
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = min(msg.Width, maxWidth), min(msg.Height, maxHeight)
	case tea.BackgroundColorMsg:
		m.dark = msg.IsDark()
		m.theme = newTheme(m.dark, m.cfg.NoColor, m.cfg.ASCII)
		m.staleAll()
	case tea.ModeReportMsg:
		if on := msg.Value; msg.Mode == ansi.ModeUnicodeCore && (on == ansi.ModeReset || on == ansi.ModeSet || on == ansi.ModePermanentlySet) {
			m.method = ansi.GraphemeWidth
			m.staleAll()
		}
	case tea.KeyPressMsg:
		cmd = m.key(msg)
	case tea.PasteMsg:
		cmd = m.pasted(msg.Content)
	case wakeMsg:
		cmd = m.woken(msg)
	case doneMsg:
		m.done(msg)
	case foundMsg:
		m.found(msg)
	case replayMsg:
		cmd = m.replayFound(msg)
	case findDueMsg:
		cmd = m.findDue(msg)
	case findMsg:
		m.findAnswer(msg)
	case checksMsg:
		m.checksKnown(msg)
	case hitMsg:
		m.hitOpened(msg)
	default:
		m.dirty = false
	}
	m.focused.Store(m.inFocus())
	return m, cmd
}

// inFocus returns the pane whose news are drawn first, or nil.
func (m *Model) inFocus() *pane {
	switch m.screen {
	case screenWorkspace:
		return m.work.current()
	case screenTable:
		return m.table.p
	}
	return nil
}

// woken takes what came in, and waits for more.
func (m *Model) woken(msg wakeMsg) tea.Cmd {
	var cmd tea.Cmd
	m.dirty = m.screen == screenReplay
	if ch, ok := m.roster.drain(m.fleet.byID); ok {
		m.fleet.update(ch)
		m.staleAll() // titles say who is on
		cmd = m.openTargets()
		m.dirty = true
	}
	if m.roster.news() {
		m.dirty = true
	}
	if n, ok := m.inbox.drain(); ok {
		cmd = tea.Batch(cmd, m.tookInbox(n))
		m.dirty = true
	}
	m.dirty = m.dirty || m.screen == screenApprovals && len(m.app.all) > 0 // its clocks run
	m.wakePanes(msg.all)
	if m.screen == screenTable && m.table.refresh() {
		m.dirty = true
	}
	if m.play != nil {
		m.play.refresh(m)
	}
	return tea.Batch(cmd, m.pacer.wait(m.ctx, m.tick()))
}

// wakePanes marks the panes that have something new to show: all, or the one
// with the focus.
func (m *Model) wakePanes(all bool) {
	if m.screen != screenWorkspace {
		return // what came in is drawn when they are shown again
	}
	for _, p := range m.work.panes {
		switch {
		case all || p == m.work.current():
			p.refresh()
			p.stale = p.stale || p.moving() // its clock runs
			m.dirty = m.dirty || p.stale
		case p.stream != nil && p.stream.dirty.Load():
			m.pacer.wake(false) // it had the focus when it woke the pacer
		}
	}
}

// tick returns how soon the screen changes by itself, 0 for never.
func (m *Model) tick() time.Duration {
	switch m.screen {
	case screenWorkspace:
		for _, p := range m.work.panes {
			if p.moving() {
				return time.Second
			}
		}
	case screenApprovals:
		if len(m.app.all) > 0 || m.app.open != nil {
			return time.Second
		}
	case screenReplay:
		return m.play.tick()
	}
	return 0
}

// A doneMsg says that an Intent was answered.
type doneMsg struct {
	intent  console.Intent
	receipt console.Receipt
	err     error
	then    func(console.Receipt, error)
}

// do returns the command that asks for something; then, if not nil, is called
// in the event loop with the answer.
func (m *Model) do(in console.Intent, then func(console.Receipt, error)) tea.Cmd {
	return func() tea.Msg {
		r, err := m.cfg.Backend.Do(m.ctx, in)
		return doneMsg{in, r, err, then}
	}
}

func (m *Model) done(msg doneMsg) {
	if msg.then != nil {
		msg.then(msg.receipt, msg.err)
	}
	if msg.err == nil {
		return
	}
	switch msg.intent.(type) {
	case console.Open:
		m.fail("open the session", msg.err)
	case console.Run:
		m.fail("run the command", msg.err)
	case console.Cancel:
		m.fail("cancel the command", msg.err)
	case console.Ask:
		m.fail("ask the check", msg.err)
	}
}

// openTargets opens what Config.Open says, once the endpoints are known.
func (m *Model) openTargets() tea.Cmd {
	if m.opened || len(m.cfg.Open) == 0 {
		return nil
	}
	m.opened = true
	eps, err := console.Selector{Targets: m.cfg.Open}.Select(m.fleet.endpoints())
	if err != nil {
		m.fail("open", err)
		return nil
	}
	m.show(screenWorkspace)
	return m.open(eps...)
}

// A replayMsg is the session that Config.Replay names.
type replayMsg struct {
	found []console.Session
	err   error
}

func (m *Model) findReplay(id sessionlog.SessionID) tea.Cmd {
	return func() tea.Msg {
		found, err := m.cfg.Backend.Search(m.ctx, console.Query{ID: id, Limit: 1})
		return replayMsg{found, err}
	}
}

func (m *Model) replayFound(msg replayMsg) tea.Cmd {
	switch {
	case msg.err != nil:
		m.fail("find the session", msg.err)
	case len(msg.found) == 0:
		m.fail("find the session", errors.New("there is none with that id"))
	default:
		m.replay(msg.found[0])
	}
	return nil
}

// self is the technician as the actor of events.
func (m *Model) self() sessionlog.Actor { return sessionlog.Technician(m.me) }

func (m *Model) who() string { return vt.Plain(m.me) + " " }

func (m *Model) trouble() string { return m.roster.state() }

// say shows a notice until the next key.
func (m *Model) say(s string) { m.notice, m.alarm = vt.Plain(s), false }

// fail shows an error until the next key.
func (m *Model) fail(what string, err error) {
	if m.ctx.Err() == nil {
		m.notice, m.alarm = "cannot "+what+": "+errText(err), true
	}
}

func errText(err error) string { return vt.Plain(err.Error()) }

// quit ends the program. What the Model follows ends at once, even if the host
// lets the program go on for a while.
func (m *Model) quit() tea.Cmd {
	m.ended = true
	m.cancel()
	return tea.Quit
}

func (m *Model) staleAll() {
	for _, p := range m.work.panes {
		p.stale = true
	}
}
