package verb

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

type logVerb struct {
	ID     string `arg:"" help:"The session, or how its id begins."`
	Follow bool   `short:"f" help:"Go on with what happens, until the session is closed."`
	JSON   bool   `name:"json" help:"One JSON event a line."`
}

func (v *logVerb) run(ctx context.Context, e *env) error {
	s, err := e.session(ctx, v.ID)
	if err != nil {
		return err
	}
	p := e.recordPrinter(s, v.JSON)
	err = e.read(ctx, s, v.Follow, p.Print)
	return errors.Join(err, p.Flush())
}

type replayVerb struct {
	ID    string  `arg:"" help:"The session, or how its id begins."`
	Speed float64 `default:"1" help:"How many times faster than it happened."`
}

// maxPause is the longest that a replay waits for the next event.
const maxPause = 2 * time.Second

func (v *replayVerb) run(ctx context.Context, e *env) error {
	if !(v.Speed >= 0.01 && v.Speed <= 1e6) {
		return console.Errorf(console.CodeUsage, "give a number such as 2 or 0.5", "replay: speed %v is not possible", v.Speed)
	}
	s, err := e.session(ctx, v.ID)
	if err != nil {
		return err
	}
	p := e.recordPrinter(s, false)
	var last time.Time
	err = e.read(ctx, s, false, func(ev sessionlog.Event) error {
		if !last.IsZero() {
			gap := min(ev.Time.Sub(last), maxPause)
			if err := pause(ctx, time.Duration(float64(gap)/v.Speed)); err != nil {
				return err
			}
		}
		last = ev.Time
		return p.Print(ev)
	})
	return errors.Join(err, p.Flush())
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// read hands the events of s to each: those that are there, or with follow all
// until the session is closed.
func (e *env) read(ctx context.Context, s console.Session, follow bool, each func(sessionlog.Event) error) error {
	if s.Events == 0 && !follow {
		return nil
	}
	feed, err := e.call.Backend.Watch(ctx, s.ID, 1)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		evs, err := feed.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, ev := range evs {
			if err := each(ev); err != nil {
				return err
			}
			if !follow && ev.Seq >= s.Events {
				return nil
			}
		}
	}
}
