package tui

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A stream follows one session in a goroutine of its own and folds its events.
// Whoever draws looks at the fold; nothing is ever queued for it.
type stream struct {
	// Static.
	backend console.Backend
	session sessionlog.SessionID
	wake    func()

	dirty atomic.Bool // there is something new to draw

	mu         sync.Mutex // guards what follows
	transcript transcript
	state      string // what is wrong with the connection, or ""
}

const (
	firstRetry = time.Second
	lastRetry  = 15 * time.Second
)

// run follows the session until it is sealed or ctx ends.
func (s *stream) run(ctx context.Context) {
	retry := firstRetry
	for ctx.Err() == nil {
		before := s.seq()
		err := s.follow(ctx)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			s.say("")
			return
		}
		s.say("DISCONNECTED, trying again: " + vt.Plain(err.Error()))
		if s.seq() > before {
			retry = firstRetry
		}
		if !sleep(ctx, retry) {
			return
		}
		retry = min(2*retry, lastRetry)
	}
}

// follow folds events until the feed ends.
func (s *stream) follow(ctx context.Context) error {
	feed, err := s.backend.Watch(ctx, s.session, s.seq()+1)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		evs, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		for _, ev := range evs {
			s.apply(ev)
		}
		s.say("")
	}
}

// apply folds one event; the lock is held for no longer, so that whoever draws
// never waits for a flood to end.
func (s *stream) apply(ev sessionlog.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transcript.apply(ev)
}

func (s *stream) seq() sessionlog.Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transcript.seq
}

func (s *stream) say(state string) {
	s.mu.Lock()
	s.state = state
	s.mu.Unlock()
	s.dirty.Store(true)
	s.wake()
}
