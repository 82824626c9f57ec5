package tui

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// maxReplay is how much of a session a replay holds in memory, in bytes of
// output and what an event costs beside.
const (
	maxReplay = 64 << 20
	eventCost = 512
)

// A loader reads a session's events in a goroutine of its own, ahead of whoever
// replays them.
type loader struct {
	// Static.
	backend console.Backend
	session sessionlog.SessionID
	until   sessionlog.Seq // the newest event when the replay began
	wake    func()

	mu   sync.Mutex // guards what follows
	evs  []sessionlog.Event
	size int
	done bool
	full bool // there is more than fits
	err  error
}

// run loads until the end of what there was, the bound, or the end of ctx.
func (l *loader) run(ctx context.Context) {
	err := l.load(ctx)
	l.mu.Lock()
	l.done = true
	if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.wake()
}

func (l *loader) load(ctx context.Context) error {
	feed, err := l.backend.Watch(ctx, l.session, 1)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		evs, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		if end := l.add(evs); end {
			return nil
		}
		l.wake()
	}
}

// add keeps evs and reports whether there is no more to load.
func (l *loader) add(evs []sessionlog.Event) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range evs {
		l.size += eventCost + len(ev.Body)
		if ev.Chunk != nil {
			l.size += len(ev.Chunk.Data)
		}
		if l.size > maxReplay {
			l.full = true
			return true
		}
		l.evs = append(l.evs, ev)
		if ev.Seq >= l.until || ev.Kind == sessionlog.SessionClosed {
			return true
		}
	}
	return false
}

// take returns the events so far, and how loading stands.
func (l *loader) take() (evs []sessionlog.Event, done, full bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.evs[:len(l.evs):len(l.evs)], l.done, l.full, l.err
}
