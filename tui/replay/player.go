// Package replay is a Backend over one record, and plays it by the clock.
//
// A [Player] says how far into a record one is to see at a moment, a [Tape] finds
// places in it, and an [Index] knows its commands and troubles. None of them reads
// more of a record than it needs, so that any place of a record of any size is at
// hand at once. [New] serves one record as a console.Backend, so that a file can
// be shown with the interface that shows a relay.
package replay

import (
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// IdleCap is how long a quiet time lasts while idle times are skipped.
const IdleCap = 2 * time.Second

// The slowest and the fastest speed of a Player.
const (
	MinSpeed = 0.25
	MaxSpeed = 64
)

// A Player is a position in a record that moves with a clock. It starts nothing,
// reads nothing and waits for nothing: whoever owns it calls Advance, and hands it
// the events ahead as they are read; Next says when a look is worth while. It is
// not safe for concurrent use.
//
// The time between two events is theirs in the record, or none where the relay's
// clock was set back between them.
type Player struct {
	now func() time.Time

	start  time.Time // of the first event
	last   Spot
	length time.Duration
	sealed bool

	shown Spot          // the newest event that is seen; Seq 0 before the first
	pos   time.Duration // since start
	ahead []Spot        // the events after shown that were read, without a gap

	moved   time.Time // when pos was right, while playing
	playing bool
	held    bool // somebody looks for where to go on
	live    bool
	skip    bool
	speed   float64
}

// NewPlayer returns a Player of an empty record, paused. If now is nil, time.Now.
func NewPlayer(now func() time.Time) *Player {
	if now == nil {
		now = time.Now
	}
	return &Player{now: now, speed: 1}
}

// Extend says how far the record goes: when it begins, its newest event, how long
// it takes, and whether no event will follow.
func (p *Player) Extend(start time.Time, last Spot, length time.Duration, sealed bool) {
	p.start, p.last, p.sealed = start, last, sealed
	p.length = max(p.length, last.At, length)
}

// Append adds events that follow what was read ahead so far.
func (p *Player) Append(spots ...Spot) { p.ahead = append(p.ahead, spots...) }

// Jump moves to an event, pos after the first. It forgets what was read ahead.
func (p *Player) Jump(to Spot, pos time.Duration) {
	p.shown, p.pos, p.ahead = to, min(max(pos, 0), p.length), nil
	p.moved, p.held, p.live = p.now(), false, false
}

// Hold keeps the position where it is, until Jump or Resume.
func (p *Player) Hold() {
	p.Advance()
	p.held, p.live = true, false
}

// Resume lets the position move again after Hold.
func (p *Player) Resume() { p.held, p.moved = false, p.now() }

// Held reports whether the position is held.
func (p *Player) Held() bool { return p.held }

// Shown returns the newest event that is to be seen, as of the last call that
// moved the Player.
func (p *Player) Shown() Spot { return p.shown }

// Last returns the newest event of the record.
func (p *Player) Last() Spot { return p.last }

// AtEnd reports whether the whole record, as far as it is known, is to be seen.
func (p *Player) AtEnd() bool { return p.shown.Seq >= p.last.Seq }

// Sealed reports whether no event will follow the last.
func (p *Player) Sealed() bool { return p.sealed }

// Pos returns the position, since the first event.
func (p *Player) Pos() time.Duration { return p.pos }

// Time returns the position as the time it was then.
func (p *Player) Time() time.Time { return p.start.Add(p.pos) }

// Duration returns how long the record takes at speed 1 with no time skipped.
func (p *Player) Duration() time.Duration { return p.length }

// Playing reports whether the position moves with the clock.
func (p *Player) Playing() bool { return p.playing }

// Live reports whether events are to be seen as they come.
func (p *Player) Live() bool { return p.live }

// Speed returns the speed.
func (p *Player) Speed() float64 { return p.speed }

// SkipsIdle reports whether idle times are cut to IdleCap.
func (p *Player) SkipsIdle() bool { return p.skip }

// Play lets the position move with the clock. At the end of a sealed record it
// does nothing.
func (p *Player) Play() {
	if !p.playing && (!p.AtEnd() || !p.sealed) {
		p.playing, p.moved = true, p.now()
	}
}

// Pause holds the position.
func (p *Player) Pause() {
	p.Advance()
	p.playing, p.live = false, false
}

// Faster doubles the speed, Slower halves it, within MinSpeed and MaxSpeed.
func (p *Player) Faster() { p.SetSpeed(p.speed * 2) }

// Slower halves the speed.
func (p *Player) Slower() { p.SetSpeed(p.speed / 2) }

// SetSpeed sets the speed, within MinSpeed and MaxSpeed.
func (p *Player) SetSpeed(x float64) {
	p.Advance()
	p.speed = min(max(x, MinSpeed), MaxSpeed)
}

// SkipIdle says whether idle times are cut to IdleCap.
func (p *Player) SkipIdle(on bool) {
	p.Advance()
	p.skip = on
}

// Advance moves the position to where the clock says it is and returns the newest
// event that is to be seen. At the end of a sealed record the Player pauses; at
// that of one that grows it goes live. Where what comes next was not read yet, it
// stands until it is.
func (p *Player) Advance() sessionlog.Seq {
	if !p.playing || p.held {
		return p.shown.Seq
	}
	now := p.now()
	left := time.Duration(float64(now.Sub(p.moved)) * p.speed)
	p.moved = now
	for len(p.ahead) > 0 {
		wait := p.gap()
		if wait > left && !p.live {
			p.pos += left
			return p.shown.Seq
		}
		left -= wait
		p.step()
	}
	if p.AtEnd() {
		p.playing, p.live = !p.sealed, !p.sealed
	}
	return p.shown.Seq
}

// step sees one more event. There must be one.
func (p *Player) step() {
	p.shown, p.pos, p.ahead = p.ahead[0], p.ahead[0].At, p.ahead[1:]
}

// gap returns how long the position has to move, at speed 1, until the next event
// is seen. There must be one.
func (p *Player) gap() time.Duration {
	next := p.ahead[0].At
	if p.skip && p.shown.Seq > 0 {
		next = min(next, p.shown.At+IdleCap)
	}
	return max(0, next-p.pos)
}

// Follow shows events as they come, from the end of a record that grows.
func (p *Player) Follow() {
	if !p.sealed || !p.AtEnd() {
		p.playing, p.live, p.moved = true, true, p.now()
	}
}

// Next returns how long it takes, by the clock, until the next event is to be
// seen, and false if the position does not move or that event is not known.
func (p *Player) Next() (time.Duration, bool) {
	if !p.playing || p.held || len(p.ahead) == 0 {
		return 0, false
	}
	return time.Duration(float64(p.gap())/p.speed) - p.now().Sub(p.moved), true
}

// Forward moves to a later time if all events until then were read ahead.
func (p *Player) Forward(to time.Duration) bool {
	p.Advance()
	to = min(to, p.length)
	if p.held || p.live || to < p.pos {
		return false
	}
	n := 0
	for n < len(p.ahead) && p.ahead[n].At <= to {
		n++
	}
	if n == len(p.ahead) && p.shown.Seq+sessionlog.Seq(n) < p.last.Seq {
		return false
	}
	for range n {
		p.step()
	}
	p.pos = to
	return true
}

// Step moves to the next event if it was read ahead.
func (p *Player) Step() bool {
	p.Advance()
	if p.held || len(p.ahead) == 0 {
		return false
	}
	p.step()
	return true
}
