package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/caisey/caisey/agent/check"
	runner "github.com/caisey/caisey/agent/proc"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A question is a check that this endpoint is asked, with its arguments.
type question struct {
	check   check.Check
	args    map[string]string
	secrets check.Secrets
}

// question returns what m asks: nil if it runs a command, whose effect is not known.
func (s *steps) question(m *wire.Start) (*question, *wire.Refused) {
	if m.GetEffect() == string(sessionlog.EffectShell) {
		return nil, nil
	}
	ask, err := shape.Parse(m.GetCommand())
	if err != nil {
		return nil, refuse(wire.Refused_CODE_INVALID, "%v", err)
	}
	i := slices.IndexFunc(s.cfg.Checks, func(c check.Check) bool { return c.Name == ask.Name })
	if i < 0 {
		return nil, refuse(wire.Refused_CODE_UNSUPPORTED, "this endpoint has no check %s", ask.Name)
	}
	c := s.cfg.Checks[i]
	if string(c.Effect) != m.GetEffect() {
		return nil, refuse(wire.Refused_CODE_DENIED, "the effect of %s is %s, not %q", c.Name, c.Effect, m.GetEffect())
	}
	if _, err := c.Values(ask.Args); err != nil {
		return nil, refuse(wire.Refused_CODE_INVALID, "%v", err)
	}
	return &question{c, ask.Args, s.cfg.secrets()}, nil
}

// endGrace is how long a check that was ended may take to notice.
const endGrace = 2 * time.Second

// errTimeLimit ends a check at its time limit.
var errTimeLimit = errors.New("time limit")

// An asking is a check that runs. To the step it is like a process, but that it has
// none.
type asking struct {
	ctx    context.Context // ends when the check has to
	cancel context.CancelCauseFunc
	begun  time.Time
	done   chan error // gets what the check returned

	mu   sync.Mutex // guards what follows
	over bool       // nothing more is taken from it
}

// ask begins the check. put takes what it finds, and is not called any more once Wait
// has returned.
func (q *question) ask(ctx context.Context, limit time.Duration, put runner.Sink) process {
	a := &asking{begun: time.Now(), done: make(chan error, 1)}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	if limit > 0 {
		stop := time.AfterFunc(limit, func() { a.cancel(errTimeLimit) })
		context.AfterFunc(a.ctx, func() { stop.Stop() })
	}
	go func() {
		a.done <- q.check.Do(a.ctx, q.args, q.secrets, func(stream sessionlog.Stream, data []byte) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.over {
				return errStopped
			}
			return put(int(stream), data)
		})
	}()
	return a
}

// Ident implements process: there is none.
func (a *asking) Ident() runner.Ident { return runner.Ident{} }

// errEnded ends a check because somebody wants it.
type errEnded struct{ why string }

func (e *errEnded) Error() string { return "ended: " + e.why }

// Stop implements process.
func (a *asking) Stop(why string) { a.cancel(&errEnded{why}) }

// Wait implements process. A check that does not notice its end is left alone: what
// it still finds is not taken.
func (a *asking) Wait() runner.Result {
	var err error
	select {
	case err = <-a.done:
	case <-a.ctx.Done():
		grace := time.NewTimer(endGrace)
		defer grace.Stop()
		select {
		case err = <-a.done:
		case <-grace.C:
			err = context.Cause(a.ctx)
		}
	}
	a.shut()
	a.cancel(nil)
	return a.result(err)
}

// shut returns once nothing more can come. What comes now waits for room in the
// spool, at most, and that ends with the agent.
func (a *asking) shut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}

func (a *asking) result(err error) runner.Result {
	r := runner.Result{State: runner.OK, Duration: time.Since(a.begun)}
	var ended *errEnded
	switch {
	case err == nil:
		return r
	case errors.Is(err, errTimeLimit):
		r.State = runner.TimedOut
	case errors.As(err, &ended):
		r.State, r.Why = runner.Cancelled, ended.why
	case errors.Is(err, errStopped):
		r.State, r.Why = runner.Cancelled, whyStopped
	default:
		r.State, r.Why = runner.Failed, err.Error()
	}
	r.Code = -1
	return r
}
