package relay

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
)

// gates wakes those who look at what waits for an answer.
type gates struct {
	mu      sync.Mutex    // guards what follows
	changed chan struct{} // closed and replaced at every change
}

func newGates() *gates { return &gates{changed: make(chan struct{})} }

func (g *gates) change() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gates) next() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// Inbox implements console.Backend.
func (b *backend) Inbox(context.Context) (console.Inbox, error) {
	in := &inbox{b: b}
	in.closed, in.close = context.WithCancel(context.Background())
	return in, nil
}

// An inbox is one console's view of what waits.
type inbox struct {
	b      *backend
	closed context.Context // ends by close
	close  context.CancelFunc

	// Owned by the goroutine that calls Next.
	begun bool
	gate  <-chan struct{} // closed when what was told may have changed
	fleet <-chan struct{}
}

// Next implements console.Inbox.
func (in *inbox) Next(ctx context.Context) ([]console.Approval, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(in.closed, func() { cancel(console.ErrClosed) })()
	if in.begun {
		select {
		case <-in.gate:
		case <-in.fleet:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	in.begun, in.gate, in.fleet = true, in.b.relay.gates.next(), in.b.relay.fleet.Changed()
	all := in.b.waiting(ctx)
	return all, context.Cause(ctx)
}

// Close implements console.Inbox.
func (in *inbox) Close() error {
	in.close()
	return nil
}

// waiting returns what waits for an answer and the person may see, oldest first.
func (b *backend) waiting(ctx context.Context) []console.Approval {
	var out []console.Approval
	for _, s := range b.relay.live() {
		if b.may(console.RoleViewer, s.info.Client) {
			out = append(out, s.waiting(ctx, b.self.Name)...)
		}
	}
	slices.SortFunc(out, func(x, y console.Approval) int {
		if c := x.Asked.Compare(y.Asked); c != 0 {
			return c
		}
		return strings.Compare(string(x.Step), string(y.Step))
	})
	return out
}

// waiting returns the steps that wait at a gate, as somebody sees them.
func (s *session) waiting(ctx context.Context, who string) []console.Approval {
	if !s.holds() { // most sessions
		return nil
	}
	var out []console.Approval
	_ = s.call(ctx, func() error { // of a session that is over, none
		s.mu.Lock()
		var held []*step
		for _, st := range s.running {
			if st.gate != nil && !isDone(st.gate.done) {
				held = append(held, st)
			}
		}
		s.mu.Unlock()
		for _, st := range held {
			out = append(out, s.approval(st, who))
		}
		return nil
	})
	return out
}

// holds reports whether a step waits at a gate.
func (s *session) holds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.running {
		if st.gate != nil && !isDone(st.gate.done) {
			return true
		}
	}
	return false
}

// approval is called with the turn.
func (s *session) approval(st *step, who string) console.Approval {
	mine := s.info.Technician == who
	return console.Approval{
		Session: s.info.Session, Step: st.id, Client: s.info.Client, Endpoint: s.info.Endpoint, Name: s.info.Name,
		By: s.info.Technician, Command: st.req.Command, Effect: st.req.Effect, Timeout: st.req.Timeout,
		Reason: st.req.Reason, Undo: st.req.Undo, Digest: st.gate.hold.Digest, Need: st.gate.hold.Need,
		Granted: names(st.gate.granted), Rules: st.gate.hold.Rules, Asked: st.gate.since, Expires: st.gate.hold.Expires,
		Mine: mine,
		May:  !mine && !slices.Contains(names(st.gate.granted), who) && s.mayApprove(st, who).Verdict == policy.Allow,
	}
}

// approvalTTL is how long a step waits for an answer unless the Config says
// otherwise.
const approvalTTL = 30 * time.Minute

// restore returns the gate of a step that waited when an earlier relay stopped.
func restore(h *sessionlog.Held, incident sessionlog.IncidentID) *gate {
	g := newGate(h.Hold, h.Since, incident)
	g.granted = given(h)
	return g
}
