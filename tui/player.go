package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/replay"
	"github.com/caisey/caisey/tui/vt"
)

// A playback is one session played again.
type playback struct {
	session console.Session
	loader  *loader
	stop    context.CancelFunc
	back    screen // where q leads

	clock  *replay.Player
	events []sessionlog.Event // as many as clock has
	loaded bool
	full   bool

	transcript transcript // the fold of events[:folded]
	folded     int
	scroll     scroll
	size       rect // of the transcript, as last drawn
}

// replay opens the replay of a session, playing.
func (m *Model) replay(rec console.Session) {
	m.endReplay()
	ctx, cancel := context.WithCancel(m.ctx)
	p := &playback{session: rec, stop: cancel, back: m.screen, clock: replay.NewPlayer(m.cfg.Now)}
	p.loader = &loader{backend: m.cfg.Backend, session: rec.ID, until: rec.Events, wake: func() { m.pacer.wake(true) }}
	m.play = p
	m.wg.Go(func() { p.loader.run(ctx) })
	m.show(screenReplay)
}

// endReplay lets go of the replay that is open, if one is.
func (m *Model) endReplay() {
	if m.play != nil {
		m.play.stop()
		m.play = nil
	}
}

// refresh takes what was loaded and moves the clock.
func (p *playback) refresh(m *Model) {
	if !p.loaded {
		first := len(p.events) == 0
		evs, done, full, err := p.loader.take()
		p.clock.Append(evs[len(p.events):]...)
		p.events = evs
		p.loaded, p.full = done, full
		if err != nil {
			m.fail("replay the session", err)
		}
		if first && len(evs) > 0 {
			p.clock.SeekEvent(1)
			p.clock.Play()
		}
	}
	p.clock.Advance()
	p.fold()
}

// fold makes the transcript show what the clock says is to be seen.
func (p *playback) fold() {
	shown := p.clock.Shown()
	if shown < p.folded {
		p.transcript, p.folded = transcript{}, 0
	}
	for ; p.folded < shown; p.folded++ {
		p.transcript.apply(p.events[p.folded])
	}
}

// tick returns how soon the replay has something new to show, 0 for never.
func (p *playback) tick() time.Duration {
	if !p.clock.Playing() {
		return 0
	}
	next, _ := p.clock.Next()
	return min(max(next, focusFrame), 250*time.Millisecond) // the bar moves meanwhile
}

// toggle plays or pauses; at the end it begins again.
func (p *playback) toggle() {
	switch {
	case p.clock.Playing():
		p.clock.Pause()
	case p.clock.Shown() == p.clock.Len():
		p.clock.SeekEvent(1)
		p.clock.Play()
	default:
		p.clock.Play()
	}
}

func (p *playback) sheet(m *Model) *sheet {
	return &sheet{&p.transcript, &m.theme, m.method, m.w, p.clock.Time()}
}

// drawReplay returns the rows of the screen.
func (m *Model) drawReplay() []string {
	p := m.play
	speed := fmt.Sprintf("%gx", p.clock.Speed())
	if p.clock.SkipsIdle() {
		speed += "  skip idle 2s"
	}
	left := fmt.Sprintf("REPLAY %s  %s  %s", shortID(p.session.ID), vt.Plain(p.session.Path()), vt.Plain(p.session.Technician))
	rows := []string{m.bar(left, speed+"  READ ONLY ")}
	p.size = rect{0, 1, m.w, max(m.h-4, 1)}
	for _, row := range p.sheet(m).render(&p.scroll, p.size.h) {
		rows = append(rows, row.Text)
	}
	for len(rows) < m.h-3 {
		rows = append(rows, "")
	}
	return append(rows, m.theme.title.on(p.bar(m)), p.status(m))
}

// status is the row under the bar: PLAY or PAUSE, and the time it was.
func (p *playback) status(m *Model) string {
	word, look := "PAUSE", m.theme.busy
	switch {
	case p.clock.Playing():
		word, look = "PLAY", m.theme.good
	case p.loaded && p.clock.Shown() == p.clock.Len():
		word = "END"
	}
	rest := ""
	if p.clock.Len() > 0 {
		rest = "  " + p.clock.Time().Local().Format("Jan 02 15:04:05")
	}
	rest += fmt.Sprintf("   event %d of %d", p.clock.Shown(), p.clock.Len())
	switch {
	case p.full:
		rest += fmt.Sprintf("   ONLY THE FIRST %d MiB ARE SHOWN", maxReplay>>20)
	case !p.loaded:
		rest += "   loading"
	}
	if p.scroll.held {
		rest += "   held, f follows"
	}
	return " " + look.on(word) + fit(rest, m.w-len(word)-1, m.method)
}

// bar is the row that shows the position among the commands.
func (p *playback) bar(m *Model) string {
	pos, total := p.clock.Pos(), p.clock.Duration()
	text := fmt.Sprintf("| %s of %s ", clock(pos), clock(total))
	width := m.w - len(text) - 2
	if width < 4 {
		return fit(text, m.w, m.method)
	}
	cells := make([]string, width)
	at := func(d time.Duration) int {
		if total <= 0 {
			return 0
		}
		return int(float64(d) / float64(total) * float64(width-1))
	}
	for i := range cells {
		cells[i] = m.theme.barLeft
		if i < at(pos) {
			cells[i] = m.theme.barDone
		}
	}
	for _, d := range p.clock.Steps() {
		cells[at(d)] = "c"
	}
	cells[at(pos)] = "@"
	return " |" + strings.Join(cells, "") + text
}

// shortID is as much of an ID as a title has room for.
func shortID(id sessionlog.SessionID) string {
	s := vt.Plain(string(id))
	return s[max(0, len(s)-6):]
}
