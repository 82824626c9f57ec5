package agent

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caisey/caisey/agent/policy"
	"github.com/caisey/caisey/relay/wire"
)

// silence is how long a relay may leave heartbeats unanswered.
const silence = wire.HeartbeatEvery * 5 / 2

// A heart probes the connection and the clocks, and tells what the endpoint's own
// policy allows where that changes.
type heart struct {
	// Static.
	c       *control
	policy  *policy.File
	answers chan answer
	dead    *time.Timer // closes a connection that is silent
	isDrain atomic.Bool

	// Owned by run.
	sent      time.Time // the last heartbeat
	stamp     int64     // its agent_time
	offset    time.Duration
	roundTrip time.Duration
	told      []string // the effects that the relay knows of
}

// An answer is a heartbeat that came back, and when.
type answer struct {
	beat *wire.Heartbeat
	at   time.Time
}

func newHeart(c *control, file *policy.File, told []string) *heart {
	return &heart{c: c, policy: file, told: told, answers: make(chan answer, 4)}
}

// run sends heartbeats until ctx ends: one at once, one as soon as the first
// measure is there, and then at a random phase, so that agents that came together
// do not stay together.
func (h *heart) run(ctx context.Context) error {
	h.dead = time.AfterFunc(silence, func() { _ = h.c.conn.CloseWithError(wire.CodeInvalid, "heartbeats are not answered") })
	defer h.dead.Stop()
	if err := h.send(); err != nil {
		return err
	}
	measured := false
	next := time.NewTimer(rand.N(wire.HeartbeatEvery))
	defer next.Stop()
	for {
		select {
		case a := <-h.answers:
			h.dead.Reset(silence)
			if h.measure(a) && !measured {
				measured = true
				if err := h.send(); err != nil {
					return err
				}
			}
		case <-next.C:
			next.Reset(wire.HeartbeatEvery)
			if err := h.send(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (h *heart) send() error {
	if err := h.tell(); err != nil {
		return closeCause(h.c.conn, err)
	}
	h.sent = time.Now()
	h.stamp = h.sent.UnixNano()
	err := h.c.send(&wire.FromAgent{Message: &wire.FromAgent_Heartbeat{Heartbeat: &wire.Heartbeat{
		AgentTime: h.stamp, ClockOffset: int64(h.offset), RoundTrip: int64(h.roundTrip),
		Padding: make([]byte, wire.HeartbeatPadding),
	}}})
	if err != nil {
		return closeCause(h.c.conn, err)
	}
	return nil
}

// tell says hello again, with nothing but the effects, if they are others than the
// relay was told.
func (h *heart) tell() error {
	now := h.policy.Effects()
	if slices.Equal(now, h.told) {
		return nil
	}
	h.told = now
	return h.c.send(&wire.FromAgent{Message: &wire.FromAgent_Hello{Hello: &wire.Hello{Effects: now}}})
}

// measure takes the answer to the last heartbeat. The relay is taken to have
// answered in the middle of the round trip.
func (h *heart) measure(a answer) bool {
	if a.beat.GetAgentTime() != h.stamp {
		return false
	}
	h.roundTrip = a.at.Sub(h.sent)
	h.offset = time.Duration(h.stamp + int64(h.roundTrip)/2 - a.beat.GetRelayTime())
	return true
}

// answered takes an answer from the control stream. A relay that sends more of
// them than it was asked for is not listened to.
func (h *heart) answered(beat *wire.Heartbeat) {
	select {
	case h.answers <- answer{beat, time.Now()}:
	default:
	}
}

// drain notes that the relay goes away. It closes the connection itself, soon.
func (h *heart) drain() {
	if h.isDrain.CompareAndSwap(false, true) {
		time.AfterFunc(drainWait, func() { _ = h.c.conn.CloseWithError(wire.CodeBye, "relay drains") })
	}
}

func (h *heart) drained() bool { return h.isDrain.Load() }
