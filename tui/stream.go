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
	"github.com/caisey/caisey/tui/replay"
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

	mu         sync.Mutex  // guards what follows
	transcript *transcript // never nil
	state      string      // what is wrong with the connection, or ""
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

// follow folds events until the record ends. At first it shows the end of what is
// there, then more of it, so that a long session is as soon on the screen as a
// short one.
func (s *stream) follow(ctx context.Context) error {
	r, err := s.backend.Look(ctx, s.session)
	if err != nil {
		return err
	}
	if head := r.Head().Seq; s.seq() == 0 && head > 0 {
		if err := s.begin(ctx, r, head); err != nil {
			r.Close()
			return err
		}
	}
	feed := console.Follow(r, s.seq()+1)
	defer feed.Close()
	for {
		evs, err := feed.Next(ctx)
		if errors.Is(err, io.EOF) {
			s.sum(ctx, r)
		}
		if err != nil {
			return err
		}
		for _, ev := range evs {
			s.apply(ev)
		}
		s.say("")
	}
}

// beginIndexed is how many events of the outline are looked at for steps that
// still run, before more than the end of a session is shown.
const beginIndexed = 50_000

// begin makes the transcript up to event at.
func (s *stream) begin(ctx context.Context, r sessionlog.Reader, at sessionlog.Seq) error {
	tape, err := replay.NewTape(ctx, r)
	if err != nil {
		return err
	}
	x := replay.NewIndex(tape)
	for _, d := range []depth{shallow, deep} {
		t, err := rebuild(ctx, x, at, d)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.transcript = t
		s.mu.Unlock()
		s.say("")
		if t.before == 0 {
			break
		}
		if _, err := x.Fill(ctx, beginIndexed); err != nil {
			return err
		}
	}
	return nil
}

// apply folds one event; the lock is held for no longer, so that whoever draws
// never waits for a flood to end.
func (s *stream) apply(ev sessionlog.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transcript.apply(ev)
}

// sum reads what the session, which is over, did to its endpoint.
func (s *stream) sum(ctx context.Context, r sessionlog.Reader) {
	did, err := sessionlog.ReadReceipt(ctx, r)
	if err != nil {
		return // it is left out
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transcript.did = did.String()
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
