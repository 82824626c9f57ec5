package tui

import (
	"context"
	"slices"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/replay"
	"github.com/caisey/caisey/tui/vt"
)

// A playback is one session played again.
type playback struct {
	session console.Session
	reel    *reel
	stop    context.CancelFunc
	back    screen // where q leads

	clock  *replay.Player
	events []sessionlog.Event // read ahead, not yet seen
	state  reelState          // as last told

	transcript *transcript // the fold of what is seen
	depth      depth       // how much of it was read
	torn       bool        // it may lack steps from before
	scroll     scroll
	size       rect // of the transcript, as last drawn

	text   string     // what was last searched for, in lower case
	hit    replay.Hit // where it is, if it is the newest event
	place  place      // of the hit
	prompt *prompt    // what is being typed, or nil
	marks  markRow
}

// replay opens the replay of a session, playing.
func (m *Model) replay(rec console.Session) {
	m.openReplay(rec, func(ctx context.Context, x *replay.Index, _ shot) (shot, error) {
		spot, err := x.Tape().Spot(ctx, 1)
		return shot{spot: spot, pos: spot.At, play: true}, err
	})
}

// replayAt opens the replay of a session, paused where event seq is the newest
// that is seen, with its line in sight. If text is not empty, it is found in the
// line and shown, and n finds it again.
func (m *Model) replayAt(rec console.Session, seq sessionlog.Seq, text ...string) {
	m.openReplay(rec, toEvent(seq, text...))
}

func (m *Model) openReplay(rec console.Session, first seek) {
	m.endReplay()
	ctx, cancel := context.WithCancel(m.ctx)
	p := &playback{session: rec, stop: cancel, back: m.screen, clock: replay.NewPlayer(m.cfg.Now), transcript: &transcript{}}
	p.reel = newReel(m.cfg.Backend, rec.ID, func() { m.pacer.wake(true) })
	m.play = p
	p.seek(first)
	m.wg.Go(func() { p.reel.run(ctx) })
	m.show(screenReplay)
}

// endReplay lets go of the replay that is open, if one is.
func (m *Model) endReplay() {
	if m.play != nil {
		m.play.stop()
		m.play = nil
	}
}

// seek has the reel look for another place; until it is found the clock is held.
func (p *playback) seek(s seek) {
	p.clock.Hold()
	p.fold()
	from := shot{spot: p.clock.Shown(), pos: p.clock.Pos(), play: p.clock.Playing(), depth: p.depth}
	from.hit, from.text = p.hit, p.text
	p.reel.ask(from, s)
}

// refresh takes what was read and moves the clock.
func (p *playback) refresh(m *Model) {
	p.state = p.reel.take()
	if p.state.err != nil {
		m.fail("replay the session", p.state.err)
	}
	p.clock.Extend(p.state.start, p.state.last, p.state.length, p.state.sealed)
	if s := p.state.shot; s != nil {
		p.show(m, s)
	}
	p.events = append(p.events, p.state.ahead...)
	for _, ev := range p.state.ahead {
		p.clock.Append(replay.Spot{Seq: ev.Seq, At: max(0, ev.Time.Sub(p.state.start))})
	}
	p.clock.Advance()
	p.fold()
	if p.torn && !p.state.busy && p.state.index.Upto()+1 >= p.transcript.before {
		p.torn = false
		p.seek(keep)
	}
}

// show goes to a shot.
func (p *playback) show(m *Model, s *shot) {
	old, sheet := p.transcript, p.sheet(m)
	p.transcript, p.depth, p.torn, p.events = s.transcript, s.depth, s.torn, nil
	p.clock.Jump(s.spot, s.pos)
	p.hit, p.text = s.hit, s.text
	switch {
	case s.pause:
		p.clock.Pause()
	case s.live:
		p.clock.Follow()
	case s.play:
		p.clock.Play()
	}
	if s.keep {
		p.scroll.top = sheet.moved(p.scroll.top, old, p.transcript)
	} else {
		p.scroll.held = false
		p.sight(m)
	}
	if s.note != "" {
		m.say(s.note)
	}
}

// fold makes the transcript show what the clock says is to be seen.
func (p *playback) fold() {
	shown := p.clock.Shown().Seq
	n, bytes := 0, 0
	for ; n < len(p.events) && p.events[n].Seq <= shown; n++ {
		p.transcript.apply(p.events[n])
		bytes += weight(p.events[n])
	}
	if n > 0 {
		p.events, p.hit = p.events[n:], replay.Hit{}
		p.reel.spent(n, bytes)
	}
}

// sight brings the line that was looked for into sight.
func (p *playback) sight(m *Model) {
	if p.hit.Seq == 0 {
		return
	}
	s := p.sheet(m)
	at, ok := s.locate(p.hit, p.text)
	if !ok {
		return
	}
	p.place = at
	s.reveal(&p.scroll, at, max(m.h-4, 1))
}

// tick returns how soon the replay has something new to show, 0 for never.
func (p *playback) tick() time.Duration {
	if !p.clock.Playing() {
		return 0
	}
	next, ok := p.clock.Next()
	if !ok {
		return 0
	}
	return min(max(next, focusFrame), 250*time.Millisecond) // the bar moves meanwhile
}

// toggle plays or pauses; at the end it begins again.
func (p *playback) toggle() {
	switch {
	case p.clock.Playing():
		p.clock.Pause()
	case p.clock.AtEnd() && p.clock.Sealed():
		p.seek(func(ctx context.Context, x *replay.Index, _ shot) (shot, error) {
			spot, err := x.Tape().Spot(ctx, 1)
			return shot{spot: spot, play: true}, err
		})
	default:
		p.clock.Play()
	}
}

func (p *playback) sheet(m *Model) *sheet {
	s := &sheet{transcript: p.transcript, theme: &m.theme, method: m.method, width: m.w, now: p.clock.Time(), text: p.text}
	if p.hit.Seq > 0 {
		s.hit = &p.place
	}
	return s
}

// moved returns the place in now of what was at p in old, of which now is a longer
// form: both end alike.
func (s *sheet) moved(p place, old, now *transcript) place {
	b := old.block(p.block)
	if b == nil || len(now.blocks) == 0 {
		return p
	}
	i := len(now.blocks) - (len(old.blocks) - slices.Index(old.blocks, b))
	if i < 0 {
		return p
	}
	c := now.blocks[i]
	if torn := b.ring.Len() > 1 && b.ring.At(b.first()).Tag == tagOurs && c.end()-c.first() > b.end()-b.first(); torn && p.line <= b.first() {
		p = place{b.n, b.first() + 1, 0} // above it there are other lines now
	}
	if p.line < 0 {
		return place{c.n, p.line, p.row}
	}
	return place{c.n, max(c.end()-(b.end()-p.line), c.first()), p.row}
}

// shortID is as much of an ID as a title has room for.
func shortID(id sessionlog.SessionID) string {
	s := vt.Plain(string(id))
	return s[max(0, len(s)-6):]
}
