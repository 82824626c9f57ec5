package replay

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caisey/caisey/sessionlog"
)

var start = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

type ticker struct{ t time.Time }

func (c *ticker) now() time.Time      { return c.t }
func (c *ticker) add(d time.Duration) { c.t = c.t.Add(d) }

// newPlayer returns a Player at the first of events at these times, all read ahead.
func newPlayer(sealed bool, at ...time.Duration) (*Player, *ticker) {
	c := &ticker{t: start.Add(24 * time.Hour)}
	p := NewPlayer(c.now)
	p.Extend(start, Spot{sessionlog.Seq(len(at)), at[len(at)-1]}, 0, sealed)
	p.Jump(Spot{1, at[0]}, at[0])
	for i, d := range at[1:] {
		p.Append(Spot{sessionlog.Seq(i + 2), d})
	}
	return p, c
}

const s = time.Second

func want(t *testing.T, p *Player, what string, shown sessionlog.Seq, pos time.Duration) {
	t.Helper()
	if p.Shown().Seq != shown || p.Pos() != pos {
		t.Errorf("%s: event %d at %v, want %d at %v", what, p.Shown().Seq, p.Pos(), shown, pos)
	}
}

func TestPlay(t *testing.T) {
	p, c := newPlayer(true, 0, 1*s, 5*s, 5*s, 60*s)
	p.Play()
	p.Advance()
	want(t, p, "at once", 1, 0)
	if next, ok := p.Next(); !ok || next != s {
		t.Errorf("next in %v, %v", next, ok)
	}
	c.add(4 * s)
	p.Advance()
	want(t, p, "after 4 s", 2, 4*s)
	p.SetSpeed(2)
	c.add(s / 2)
	p.Advance()
	want(t, p, "half a second at 2x", 4, 5*s)
	p.Pause()
	c.add(time.Hour)
	p.Advance()
	want(t, p, "paused", 4, 5*s)
	p.SkipIdle(true)
	p.Play()
	if next, ok := p.Next(); !ok || next != s {
		t.Errorf("next in %v, %v, want 2 s at 2x", next, ok)
	}
	c.add(s)
	p.Advance()
	want(t, p, "idle time skipped", 5, 60*s)
	if p.Playing() || !p.AtEnd() {
		t.Error("plays after the end")
	}
}

func TestSkipFromTheMiddleOfAnIdleTime(t *testing.T) {
	p, _ := newPlayer(true, 0, 100*s)
	if !p.Forward(50 * s) {
		t.Error("no way on")
	}
	p.SkipIdle(true)
	p.Play()
	p.Advance()
	want(t, p, "past the cap", 2, 100*s)
}

func TestForwardAndStep(t *testing.T) {
	p, _ := newPlayer(true, 0, 1*s, 5*s, 5*s, 60*s)
	for _, to := range []struct {
		at    time.Duration
		shown sessionlog.Seq
		pos   time.Duration
	}{{2 * s, 2, 2 * s}, {5 * s, 4, 5 * s}, {time.Hour, 5, 60 * s}} {
		if !p.Forward(to.at) {
			t.Errorf("cannot go to %v", to.at)
		}
		want(t, p, to.at.String(), to.shown, to.pos)
	}
	if p.Forward(s) || p.Step() {
		t.Error("goes back, or past the end")
	}
	p, _ = newPlayer(true, 0, s, 2*s)
	p.Extend(start, Spot{9, 90 * s}, 0, true)
	if p.Forward(2*s) || p.Forward(80*s) {
		t.Error("goes where it does not know what comes")
	}
	p.Step()
	want(t, p, "a step", 2, s)
	p.Hold()
	if p.Step() || p.Forward(2*s) || !p.Held() {
		t.Error("moves while it is held")
	}
}

// What is not read yet is waited for, and the time of waiting is not skipped.
func TestWaitsForWhatIsRead(t *testing.T) {
	p, c := newPlayer(true, 0, s)
	p.Extend(start, Spot{3, 3 * s}, 0, true)
	p.Play()
	c.add(10 * s)
	p.Advance()
	want(t, p, "not read", 2, s)
	if _, ok := p.Next(); ok || !p.Playing() {
		t.Error("knows when the next event is to be seen, or pauses")
	}
	p.Append(Spot{3, 3 * s})
	p.Advance()
	want(t, p, "read", 2, s)
	c.add(2 * s)
	p.Advance()
	want(t, p, "2 s later", 3, 3*s)
}

func TestHoldKeepsTheTime(t *testing.T) {
	p, c := newPlayer(true, 0, 10*s, 20*s)
	p.Play()
	c.add(s)
	p.Hold()
	c.add(time.Hour)
	p.Advance()
	want(t, p, "held", 1, s)
	p.Jump(Spot{2, 10 * s}, 12*s)
	p.Append(Spot{3, 20 * s})
	c.add(s)
	p.Advance()
	want(t, p, "plays on from where it jumped to", 2, 13*s)
}

func TestLive(t *testing.T) {
	p, c := newPlayer(false, 0, s)
	p.Play()
	c.add(s)
	p.Advance()
	if want(t, p, "at the end", 2, s); !p.Live() || !p.Playing() {
		t.Error("does not follow a record that grows")
	}
	p.Extend(start, Spot{4, 100 * s}, 0, false)
	p.Append(Spot{3, 50 * s}, Spot{4, 100 * s})
	p.Advance()
	want(t, p, "as it comes", 4, 100*s)
	p.Pause()
	p.Extend(start, Spot{5, 200 * s}, 0, true)
	p.Append(Spot{5, 200 * s})
	p.Advance()
	if want(t, p, "paused", 4, 100*s); p.Live() {
		t.Error("is live while paused")
	}
	p.Follow()
	p.Advance()
	if want(t, p, "followed", 5, 200*s); p.Live() || p.Playing() {
		t.Error("follows what is sealed")
	}
}

func TestSpeedBounds(t *testing.T) {
	p := NewPlayer(nil)
	for range 20 {
		p.Faster()
	}
	if p.Speed() != MaxSpeed {
		t.Errorf("speed %v", p.Speed())
	}
	for range 20 {
		p.Slower()
	}
	if p.Speed() != MinSpeed {
		t.Errorf("speed %v", p.Speed())
	}
	p.Extend(time.Time{}, Spot{}, 0, true)
	p.Play()
	if p.Playing() || p.Advance() != 0 || p.Duration() != 0 || p.Step() {
		t.Error("an empty record plays")
	}
}

// Between events where the clock was set back there is no time.
func TestPlayPastAClockSetBack(t *testing.T) {
	p, c := newPlayer(true, 0, 10*s, 4*s, 12*s)
	p.Play()
	c.add(10 * s)
	p.Advance()
	want(t, p, "10 s", 3, 4*s)
	c.add(8 * s)
	p.Advance()
	want(t, p, "8 s later", 4, 12*s)
}

// TestPlayingInLooks asserts that playing in any number of looks ends where one
// look ends.
func TestPlayingInLooks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		at := []time.Duration{0}
		for _, g := range rapid.SliceOfN(rapid.IntRange(0, 5000), 1, 30).Draw(rt, "gaps") {
			at = append(at, at[len(at)-1]+time.Duration(g)*time.Millisecond)
		}
		skip := rapid.Bool().Draw(rt, "skip")
		a, ca := newPlayer(true, at...)
		b, cb := newPlayer(true, at...)
		a.SkipIdle(skip)
		b.SkipIdle(skip)
		a.Play()
		b.Play()
		for _, ms := range rapid.SliceOfN(rapid.IntRange(0, 3000), 1, 20).Draw(rt, "looks") {
			d := time.Duration(ms) * time.Millisecond
			ca.add(d)
			cb.add(d)
			a.Advance()
		}
		b.Advance()
		if a.Shown() != b.Shown() || a.Pos() != b.Pos() {
			rt.Fatalf("in looks: %d at %v; at once: %d at %v", a.Shown().Seq, a.Pos(), b.Shown().Seq, b.Pos())
		}
		if next := int(a.Shown().Seq); !skip && next < len(at) && at[next] <= a.Pos() {
			rt.Fatalf("event %d at %v is not seen at %v", next+1, at[next], a.Pos())
		}
	})
}
