package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
)

// How often the screen is drawn at most, because something came in. Keys are
// not held back.
const (
	focusFrame = 40 * time.Millisecond  // what has the focus
	otherFrame = 160 * time.Millisecond // other panes
)

// A pacer turns any number of wakes into one message a frame. While nothing
// wakes it, it does nothing.
type pacer struct {
	fast, slow chan struct{} // room for one each

	// Owned by the one command that waits.
	drawn   time.Time // when the newest message was sent
	drawAll time.Time // when the newest with all was sent
	late    bool      // a slow wake was taken and not yet told
}

func newPacer() *pacer {
	return &pacer{fast: make(chan struct{}, 1), slow: make(chan struct{}, 1)}
}

// wake asks for a frame, soon if focused. It never blocks.
func (p *pacer) wake(focused bool) {
	c := p.slow
	if focused {
		c = p.fast
	}
	select {
	case c <- struct{}{}:
	default:
	}
}

// A wakeMsg says that it is time to draw.
type wakeMsg struct {
	all bool // the panes without focus too
}

// wait returns the command that waits for the next frame. There is never more
// than one. If tick is not 0, a frame comes after tick at the latest.
func (p *pacer) wait(ctx context.Context, tick time.Duration) tea.Cmd {
	return func() tea.Msg {
		if !sleep(ctx, focusFrame-time.Since(p.drawn)) {
			return nil
		}
		ticker := timer(tick, tick > 0)
		defer ticker.Stop()
		lag := timer(otherFrame-time.Since(p.drawAll), p.late)
		defer func() { lag.Stop() }()
		slow := p.slow
		if p.late {
			slow = nil
		}
		for {
			select {
			case <-p.fast:
				return p.frame(false)
			case <-ticker.C:
				return p.frame(true)
			case <-lag.C:
				return p.frame(true)
			case <-slow:
				p.late, slow = true, nil
				lag.Stop()
				lag = timer(otherFrame-time.Since(p.drawAll), true)
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func (p *pacer) frame(all bool) tea.Msg {
	p.drawn = time.Now()
	if all || p.late && p.drawn.Sub(p.drawAll) >= otherFrame {
		all, p.late, p.drawAll = true, false, p.drawn
	}
	return wakeMsg{all: all}
}

// timer returns a timer that never fires unless on.
func timer(d time.Duration, on bool) *time.Timer {
	if !on {
		d = 1 << 62
	}
	return time.NewTimer(max(d, 0))
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
