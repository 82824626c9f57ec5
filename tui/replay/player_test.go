package replay

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caisey/caisey/sessionlog"
)

var start = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

// events returns events at these times after start; those with a true request a
// step.
func events(at []time.Duration, steps ...int) []sessionlog.Event {
	evs := make([]sessionlog.Event, len(at))
	for i, d := range at {
		evs[i] = sessionlog.Event{Seq: sessionlog.Seq(i + 1), Time: start.Add(d), Kind: sessionlog.NoteAdded}
	}
	for _, i := range steps {
		evs[i].Kind = sessionlog.StepRequested
	}
	return evs
}

type ticker struct{ t time.Time }

func (c *ticker) now() time.Time      { return c.t }
func (c *ticker) add(d time.Duration) { c.t = c.t.Add(d) }

func newPlayer(at []time.Duration, steps ...int) (*Player, *ticker) {
	c := &ticker{t: start.Add(24 * time.Hour)}
	p := NewPlayer(c.now)
	p.Append(events(at, steps...)...)
	return p, c
}

const s = time.Second

func want(t *testing.T, p *Player, what string, shown int, pos time.Duration) {
	t.Helper()
	if p.Shown() != shown || p.Pos() != pos {
		t.Errorf("%s: %d events at %v, want %d at %v", what, p.Shown(), p.Pos(), shown, pos)
	}
}

func TestPlay(t *testing.T) {
	p, c := newPlayer([]time.Duration{0, 1 * s, 5 * s, 5 * s, 60 * s})
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
	if p.Playing() {
		t.Error("plays after the end")
	}
}

func TestSkipFromTheMiddleOfAnIdleTime(t *testing.T) {
	p, c := newPlayer([]time.Duration{0, 100 * s})
	p.Seek(50 * s)
	p.SkipIdle(true)
	p.Play()
	p.Advance()
	want(t, p, "past the cap", 2, 100*s)
	_ = c
}

func TestSeek(t *testing.T) {
	p, _ := newPlayer([]time.Duration{0, 1 * s, 5 * s, 5 * s, 60 * s}, 1, 3)
	p.Seek(5 * s)
	want(t, p, "5 s", 4, 5*s)
	p.SeekBy(-3 * s)
	want(t, p, "3 s back", 2, 2*s)
	p.SeekBy(-time.Hour)
	want(t, p, "an hour back", 1, 0)
	p.SeekBy(time.Hour)
	want(t, p, "an hour on", 5, 60*s)
	p.SeekEvent(3)
	want(t, p, "event 3", 3, 5*s)
	p.SeekEvent(-1)
	want(t, p, "before the first", 0, 0)
	p.SeekEvent(99)
	want(t, p, "past the last", 5, 60*s)
	if !p.SeekStep(-1) {
		t.Error("no step before the end")
	}
	want(t, p, "last step", 4, 5*s)
	p.SeekStep(-1)
	want(t, p, "first step", 2, 1*s)
	if p.SeekStep(-1) {
		t.Error("a step before the first")
	}
	p.SeekStep(1)
	want(t, p, "next step", 4, 5*s)
	if p.SeekStep(1) {
		t.Error("a step after the last")
	}
}

func TestSpeedBounds(t *testing.T) {
	p, _ := newPlayer(nil)
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
	p.Play()
	if p.Playing() || p.Advance() != 0 || p.Duration() != 0 || p.SeekStep(1) {
		t.Error("an empty sequence plays")
	}
	p.Seek(time.Hour)
	p.SeekEvent(1)
}

func TestClockThatWasSetBack(t *testing.T) {
	p, _ := newPlayer([]time.Duration{0, 10 * s, 4 * s, 12 * s})
	p.Seek(10 * s)
	want(t, p, "10 s", 3, 10*s)
}

// TestPlayingIsSeeking asserts that playing in any number of looks ends where
// one look ends.
func TestPlayingIsSeeking(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		gaps := rapid.SliceOfN(rapid.IntRange(0, 5000), 1, 30).Draw(rt, "gaps")
		at := make([]time.Duration, len(gaps))
		var sum time.Duration
		for i, g := range gaps {
			sum += time.Duration(g) * time.Millisecond
			at[i] = sum
		}
		skip := rapid.Bool().Draw(rt, "skip")
		a, ca := newPlayer(at)
		b, cb := newPlayer(at)
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
			rt.Fatalf("in looks: %d at %v; at once: %d at %v", a.Shown(), a.Pos(), b.Shown(), b.Pos())
		}
		if !skip && a.Shown() < len(at) && at[a.Shown()] <= a.Pos() {
			rt.Fatalf("event %d at %v is not seen at %v", a.Shown(), at[a.Shown()], a.Pos())
		}
	})
}
