package relay

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/statement"
)

// A gate holds a step until enough others have approved exactly what will run.
type gate struct {
	// Static after newGate.
	hold     sessionlog.Hold
	since    time.Time
	incident sessionlog.IncidentID // in which the step was asked for
	done     chan struct{}         // closed once it is decided

	// Owned by whoever has the session's turn; after done is closed they are static.
	granted []yes
	open    bool // the step was dispatched
}

func newGate(hold sessionlog.Hold, since time.Time, incident sessionlog.IncidentID) *gate {
	return &gate{hold: hold, since: since, incident: incident, done: make(chan struct{})}
}

// decide closes the gate's question for good.
func (g *gate) decide(open bool) {
	g.open = open
	close(g.done)
}

// order is what an approval of the step approves.
func (s *session) order(id sessionlog.StepID, req sessionlog.Requested) statement.Order {
	return statement.Order{
		Step: string(id), Session: string(s.info.Session), Technician: s.info.Technician,
		Effect: string(req.Effect), Timeout: time.Duration(req.Timeout * float64(time.Second)), Command: req.Command,
	}
}

// digest names the order in records.
func (s *session) digest(id sessionlog.StepID, req sessionlog.Requested) string {
	digest := s.order(id, req).Digest()
	return hex.EncodeToString(digest[:])
}

// held returns what is recorded of a step that waits for need approvals.
func (s *session) held(id sessionlog.StepID, req sessionlog.Requested, targets int, d policy.Decision) sessionlog.Hold {
	return sessionlog.Hold{
		Digest: s.digest(id, req), Need: d.Need, Rules: d.Rules, Targets: targets,
		Expires: time.Now().Add(s.relay.cfg.ApprovalTTL).UTC().Round(0),
	}
}

// gateLook is how often at least a step that waits looks at the clock on the wall: a
// timer stands still while the machine sleeps, and does not follow a clock that is set.
const gateLook = 15 * time.Second

// look returns in how long to look whether the gate has expired.
func (g *gate) look() time.Duration { return min(time.Until(g.hold.Expires), gateLook) }

// expired reports whether it is too late for an answer, by the wall clock.
func (r *Relay) expired(g *gate) bool { return !r.wall().Round(0).Before(g.hold.Expires) }

// because says why a policy refuses.
func because(d policy.Decision) string {
	if len(d.Rules) == 0 {
		return "refused: no rule of the policy permits it"
	}
	return "refused by rule " + strings.Join(d.Rules, ", ")
}

// awaitGate waits until the gate is decided, and reports whether the step may go.
// What is wanted to end early, and what nobody answers in time, ends here.
func (st *step) awaitGate(ctx context.Context) (open bool) {
	r := st.session.relay
	r.gates.change() // now it may be shown
	if r.hook != nil && !r.hook.tell(st) {
		r.cfg.Log.Warn("webhook not told: too much waits for it", "step", st.id)
	}
	late := time.NewTimer(st.gate.look())
	defer late.Stop()
	for {
		var err error
		select {
		case <-st.gate.done:
			return st.gate.open
		case <-st.wanted.Done():
			err = st.lapse(ctx, sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1, Why: "cancelled before anybody approved it"})
		case <-late.C:
			if !r.expired(st.gate) {
				late.Reset(st.gate.look())
				continue
			}
			err = st.lapse(ctx, sessionlog.Ended{State: sessionlog.Refused, Exit: -1, Why: "nobody approved it in time"})
		case <-ctx.Done():
			return false
		}
		if err != nil { // it could not be recorded: the gate stays shut, and it is tried again
			r.cfg.Log.Error("gate not decided", "step", st.id, "err", err)
			late.Reset(lastRetry)
			st.wait(ctx, firstRetry)
		}
	}
}

// lapse ends a step that still waits.
func (st *step) lapse(ctx context.Context, end sessionlog.Ended) error {
	return st.session.call(ctx, func() error {
		if isDone(st.gate.done) {
			return nil
		}
		evs := []sessionlog.Event{sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, st.id, end)}
		if end.State == sessionlog.Refused {
			evs = append([]sessionlog.Event{sessionlog.New(sessionlog.ApprovalExpired, sessionlog.Relay, st.id, nil)}, evs...)
		}
		if _, err := sessionlog.Append(st.session.relay.ctx, st.session.rec, evs...); err != nil {
			return fmt.Errorf("end step %s: %w", st.id, err)
		}
		st.gate.decide(false)
		st.session.relay.gates.change()
		return nil
	})
}
