package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/caisey/caisey/relay/wire"
)

const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 15 * time.Second
	// deniedWait is the longest time between attempts of an agent that its relay
	// does not want: it was revoked, and somebody may take that back. It is also
	// that of two agents with one key, so that they do not take the place of each
	// other all the time.
	deniedWait = 5 * time.Minute
	// drainWait is how long a relay that drains has to close the connection.
	drainWait = 10 * time.Second
	// drainSpread is how long agents wait at most before they come back, so that
	// they do not come all at once.
	drainSpread = 5 * time.Second
)

// errDrained says that the relay went away with notice.
var errDrained = errors.New("relay drains")

// A link keeps an agent connected to its relay.
type link struct {
	// Static.
	cfg    Config
	steps  *steps
	log    *slog.Logger
	relay  string
	note   func(Status) error
	checks catalogue
	dialer *dialer // owned by redial
	resume *resume // the same

	mu      sync.Mutex // guards what follows
	control *control   // of the connection that is welcome, or nil
}

// redial connects, again and again, until ctx ends.
func (l *link) redial(ctx context.Context) {
	defer l.dialer.close()
	failures, away := 0, Status{Since: time.Now(), Why: "it starts"}
	l.tell(away)
	for ctx.Err() == nil {
		welcome, err := l.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if welcome {
			failures, away.Since = 0, time.Now()
		}
		if why := err.Error(); welcome || why != away.Why {
			away.Why = why
			l.tell(away)
		}
		wait := pause(failures, err)
		failures++
		level, message := slog.LevelWarn, "not connected"
		if replaced(err) {
			level, message = slog.LevelError, "not connected: another agent uses the key of this one"
		} else if denied(err) && l.resume.fault != "" {
			level, message = slog.LevelError, "not connected: what shows that this is no copy of the endpoint was lost; "+mendResume
		}
		l.log.Log(ctx, level, message, "relay", l.relay, "err", err, "retry_in", wait.Round(time.Millisecond))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// pause returns how long to wait before the next attempt.
func pause(failures int, err error) time.Duration {
	switch {
	case denied(err), replaced(err):
		return deniedWait/2 + rand.N(deniedWait/2)
	case errors.Is(err, errDrained):
		return rand.N(drainSpread)
	}
	return rand.N(min(backoffMax, backoffMin<<min(failures, 20)))
}

// connect holds one connection until it ends. It says whether the relay welcomed
// us, and why it ended.
func (l *link) connect(ctx context.Context) (welcome bool, err error) {
	conn, err := l.dialer.dial(ctx, wire.ProtoAgent)
	if err != nil {
		return false, err
	}
	effects := l.steps.policy.Effects()
	c, answer, err := greet(ctx, conn, &wire.FromAgent{Message: &wire.FromAgent_Hello{Hello: &wire.Hello{
		Machine: l.cfg.machine(), Steps: l.steps.ids(), Effects: effects, Resume: l.resume.it, Checks: l.checks.sum,
	}}})
	if err == nil && answer.GetWelcome() == nil {
		err = errors.New("the relay answered something else than a welcome")
	}
	if err != nil {
		_ = conn.CloseWithError(wire.CodeInvalid, "no welcome")
		return false, err
	}
	w := answer.GetWelcome()
	l.log.Info("connected", "relay", l.relay, "name", w.GetName(), "client", w.GetClient())
	l.keep(c, w.GetResume())
	if w.GetTellChecks() {
		_ = l.checks.tell(c) // if it fails, so does serve
	}
	l.set(c)
	defer l.set(nil)
	l.tell(Status{Connected: true, Since: time.Now()})
	return true, l.serve(ctx, c, newHeart(c, l.steps.policy, effects))
}

// keep writes down what the relay wants to be shown next time, and tells it so.
func (l *link) keep(c *control, it []byte) {
	if len(it) == 0 {
		return // an older relay
	}
	if err := l.resume.keep(it); err != nil {
		l.log.Warn("what the relay gave is not kept: it will see the same as before", "err", err)
		return
	}
	_ = c.send(&wire.FromAgent{Message: &wire.FromAgent_Kept{Kept: &wire.Kept{Resume: it}}}) // if it fails, so does serve
}

// serve does what a connection is for. Each part ends the others by its error.
func (l *link) serve(ctx context.Context, c *control, beats *heart) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.listen(c, beats) })
	g.Go(func() error { return beats.run(ctx) })
	g.Go(func() error {
		for {
			stream, err := c.conn.AcceptStream(ctx)
			if err != nil {
				return closeCause(c.conn, err)
			}
			g.Go(func() error { l.steps.serve(ctx, stream); return nil })
		}
	})
	stop := context.AfterFunc(ctx, func() {
		code, why := wire.CodeInvalid, context.Cause(ctx)
		if errors.Is(why, errStopped) {
			code = wire.CodeBye
		}
		_ = c.conn.CloseWithError(code, why.Error())
	})
	defer stop()
	err := g.Wait()
	if beats.drained() {
		return errors.Join(errDrained, err)
	}
	return err
}

// listen reads the control stream.
func (l *link) listen(c *control, beats *heart) error {
	for {
		m := &wire.ToAgent{}
		if err := c.frames.Read(m); err != nil {
			return closeCause(c.conn, err)
		}
		switch m := m.GetMessage().(type) {
		case *wire.ToAgent_Heartbeat:
			beats.answered(m.Heartbeat)
		case *wire.ToAgent_Drain:
			l.log.Info("relay drains", "why", m.Drain.GetWhy())
			beats.drain()
		case *wire.ToAgent_Refused:
			if r := m.Refused; r.GetCode() != wire.Refused_CODE_UNSUPPORTED { // an older relay goes on without
				return &refusal{r.GetCode(), r.GetWhy()}
			}
		default:
			l.log.Debug("relay sent a message that is not known here", "message", fmt.Sprintf("%T", m))
		}
	}
}

// tell notes for people on the machine what became of the connection.
func (l *link) tell(st Status) {
	st.Relay = l.relay
	if l.cfg.Policy != "" {
		st.Policy, _ = filepath.Abs(l.cfg.Policy)
	}
	if err := l.note(st); err != nil {
		l.log.Debug("status not noted", "err", err)
	}
}

func (l *link) set(c *control) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.control = c
}

func (l *link) connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.control != nil
}

// drain tells the relay that the agent is about to go.
func (l *link) drain(why string) {
	l.mu.Lock()
	c := l.control
	l.mu.Unlock()
	if c != nil {
		_ = c.send(&wire.FromAgent{Message: &wire.FromAgent_Drain{Drain: &wire.Drain{Why: why}}})
	}
}
