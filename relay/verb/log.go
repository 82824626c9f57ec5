package verb

import (
	"context"
	"errors"
	"io"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

type logVerb struct {
	ID     string `arg:"" help:"The session, or how its id begins; fleet for the fleet's own log."`
	Follow bool   `short:"f" help:"Go on with what happens, until the session is closed."`
	JSON   bool   `name:"json" help:"One JSON event a line."`
}

func (v *logVerb) run(ctx context.Context, e *env) error {
	if v.ID == string(console.FleetLog) {
		return v.fleet(ctx, e)
	}
	s, err := e.session(ctx, v.ID)
	if err != nil {
		return err
	}
	p := e.recordPrinter(s, v.JSON)
	err = e.read(ctx, s, v.Follow, p.Print)
	return errors.Join(err, p.Flush())
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
	return drain(ctx, feed, s.Events, follow, each)
}

// drain hands the events of feed to each, up to last, or with follow until the log is
// sealed.
func drain(ctx context.Context, feed console.Feed, last sessionlog.Seq, follow bool, each func(sessionlog.Event) error) error {
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
			if !follow && ev.Seq >= last {
				return nil
			}
		}
	}
}
