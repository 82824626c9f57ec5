package verb

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// errGrace ends the wait for a cancelled step that says nothing.
var errGrace = errors.New("the step did not end after it was cancelled")

// follow prints the step of res from event seq on, until it has ended. If ctx
// ends first, the step is cancelled.
func (r *running) follow(ctx context.Context, res result, seq sessionlog.Seq, prefixed bool) (ended result) {
	// The feed outlives ctx, to see how the step ends once it is cancelled.
	feedCtx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(nil)
	wg.Go(func() {
		select {
		case <-feedCtx.Done():
			return
		case <-ctx.Done():
		}
		r.cancelStep(feedCtx, res)
		grace := time.NewTimer(cancelGrace)
		defer grace.Stop()
		select {
		case <-feedCtx.Done():
		case <-grace.C:
			stop(errGrace)
		}
	})

	feed, err := r.call.Backend.Watch(feedCtx, res.session, seq)
	if err != nil {
		return res.lost(ctx, feedCtx, err)
	}
	defer feed.Close()
	p := r.printer(res, prefixed)
	defer func() {
		p.finish()
		p.flush()
		ended.worst = worst(p.rows.Result())
	}()
	for {
		evs, err := feed.Next(feedCtx)
		if err != nil {
			return res.lost(ctx, feedCtx, err)
		}
		for _, ev := range evs {
			if ev.Step != res.step {
				continue
			}
			p.event(ev)
			r.gate(res, ev)
			if ev.Kind == sessionlog.StepEnded {
				return res.told(ev)
			}
		}
	}
}

// told returns r ended as the record says.
func (r result) told(ev sessionlog.Event) result {
	var b sessionlog.Ended
	if err := ev.Decode(&b); err != nil {
		return r.ended(sessionlog.Lost, "the relay did not say how it ended")
	}
	r.exit = b.Exit
	why := b.Why
	if why == "" && b.Signal != "" {
		why = "ended by " + b.Signal
	}
	return r.ended(b.State, why)
}

// lost returns r for a feed that ended before the step did.
func (r result) lost(ctx, feedCtx context.Context, err error) result {
	switch {
	case ctx.Err() != nil:
		why := "it may still run"
		if cause := context.Cause(feedCtx); cause != nil {
			why = cause.Error()
		}
		return r.ended(sessionlog.Lost, why)
	case errors.Is(err, io.EOF):
		return r.ended(sessionlog.Lost, "the session was closed before it ended")
	}
	code, _ := errorCode(err)
	r.cut, r.relay = code == console.CodeRefused, code != console.CodeRefused
	return r.ended(sessionlog.Lost, err.Error())
}

// errorCode returns the code of a Backend's error, and whether it has one.
func errorCode(err error) (console.Code, bool) {
	var ce *console.Error
	if errors.As(err, &ce) {
		return ce.Code, true
	}
	return console.CodeFailed, false
}
