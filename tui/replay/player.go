// Package replay is a Backend over sealed records, with a clock.
//
// A [Player] says how much of a sequence of events is to be seen at a moment; a
// screen folds that many. [New] serves one record as a console.Backend, so that
// a file can be shown with the interface that shows a relay.
package replay

import (
	"sort"
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

// A Player is a position in a sequence of events that moves with a clock. It
// starts nothing and waits for nothing: whoever owns it calls Advance, and Next
// says when that is worth while. It is not safe for concurrent use.
type Player struct {
	now func() time.Time

	start time.Time       // of the first event
	at    []time.Duration // when each event is seen, never decreasing
	steps []int           // which events request a step

	shown   int           // events that are seen: at[:shown]
	pos     time.Duration // since start
	moved   time.Time     // when pos was right, while playing
	playing bool
	skip    bool
	speed   float64
}

// NewPlayer returns a Player at the start of an empty sequence, paused. If now
// is nil, time.Now.
func NewPlayer(now func() time.Time) *Player {
	if now == nil {
		now = time.Now
	}
	return &Player{now: now, speed: 1}
}

// Append adds the next events to the sequence.
func (p *Player) Append(evs ...sessionlog.Event) {
	for _, ev := range evs {
		if len(p.at) == 0 {
			p.start = ev.Time
		}
		at := ev.Time.Sub(p.start)
		if n := len(p.at); n > 0 {
			at = max(at, p.at[n-1]) // a relay's clock may have been set back
		}
		if ev.Kind == sessionlog.StepRequested {
			p.steps = append(p.steps, len(p.at))
		}
		p.at = append(p.at, at)
	}
}

// Len returns how many events the sequence has.
func (p *Player) Len() int { return len(p.at) }

// Shown returns how many events are to be seen, as of the last call that moved
// the Player.
func (p *Player) Shown() int { return p.shown }

// Pos returns the position, since the first event.
func (p *Player) Pos() time.Duration { return p.pos }

// Time returns the position as the time it was then.
func (p *Player) Time() time.Time { return p.start.Add(p.pos) }

// Duration returns how long the sequence takes at speed 1 with no time skipped.
func (p *Player) Duration() time.Duration {
	if len(p.at) == 0 {
		return 0
	}
	return p.at[len(p.at)-1]
}

// Steps returns where each step is requested, since the first event.
func (p *Player) Steps() []time.Duration {
	marks := make([]time.Duration, len(p.steps))
	for i, n := range p.steps {
		marks[i] = p.at[n]
	}
	return marks
}

// Playing reports whether the position moves with the clock.
func (p *Player) Playing() bool { return p.playing }

// Speed returns the speed.
func (p *Player) Speed() float64 { return p.speed }

// SkipsIdle reports whether idle times are cut to IdleCap.
func (p *Player) SkipsIdle() bool { return p.skip }

// Play lets the position move with the clock. At the end it does nothing.
func (p *Player) Play() {
	if !p.playing && p.shown < len(p.at) {
		p.playing, p.moved = true, p.now()
	}
}

// Pause holds the position.
func (p *Player) Pause() {
	p.Advance()
	p.playing = false
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

// Advance moves the position to where the clock says it is and returns how many
// events are to be seen. At the last event the Player pauses.
func (p *Player) Advance() int {
	if !p.playing {
		return p.shown
	}
	now := p.now()
	left := time.Duration(float64(now.Sub(p.moved)) * p.speed)
	p.moved = now
	for p.shown < len(p.at) {
		wait := p.gap()
		if wait > left {
			p.pos += left
			return p.shown
		}
		left -= wait
		p.pos = p.at[p.shown]
		p.shown++
	}
	p.playing = false
	return p.shown
}

// gap returns how long the position has to move, at speed 1, until the next
// event is seen. There must be one.
func (p *Player) gap() time.Duration {
	next := p.at[p.shown]
	if p.skip && p.shown > 0 {
		next = min(next, p.at[p.shown-1]+IdleCap)
	}
	return max(0, next-p.pos)
}

// Next returns how long it takes, by the clock, until the next event is to be
// seen, and false if the position does not move.
func (p *Player) Next() (time.Duration, bool) {
	if !p.playing || p.shown == len(p.at) {
		return 0, false
	}
	return time.Duration(float64(p.gap())/p.speed) - p.now().Sub(p.moved), true
}

// Seek moves to a time since the first event, within the sequence. All events
// up to and at that time are seen.
func (p *Player) Seek(to time.Duration) {
	p.Advance()
	p.pos = min(max(to, 0), p.Duration())
	p.shown = sort.Search(len(p.at), func(i int) bool { return p.at[i] > p.pos })
}

// SeekBy moves by a time, forward or back.
func (p *Player) SeekBy(d time.Duration) {
	p.Advance()
	p.Seek(p.pos + d)
}

// SeekEvent moves so that n events are seen.
func (p *Player) SeekEvent(n int) {
	p.Advance()
	p.shown = min(max(n, 0), len(p.at))
	p.pos = 0
	if p.shown > 0 {
		p.pos = p.at[p.shown-1]
	}
}

// SeekStep moves to the next request of a step (by > 0) or the one before. It
// reports false, and stays, if there is none.
func (p *Player) SeekStep(by int) bool {
	p.Advance()
	at := p.shown - 1 // the newest event seen
	i := sort.SearchInts(p.steps, at)
	switch {
	case by <= 0:
		i--
	case i < len(p.steps) && p.steps[i] == at:
		i++
	}
	if i < 0 || i >= len(p.steps) {
		return false
	}
	p.SeekEvent(p.steps[i] + 1)
	return true
}
