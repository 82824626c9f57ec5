package relay

import (
	"context"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
)

// A rulebook keeps the policy of the catalogue ready to decide.
type rulebook struct {
	mu   sync.Mutex // guards what follows
	of   console.Policy
	set  *policy.Set
	read bool
}

// rules returns the policy as it is now. One that cannot be read refuses everything:
// it was applied by a relay that knew more.
func (r *Relay) rules() *policy.Set {
	now := r.fleet.Policy()
	b := &r.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read && b.of == now {
		return b.set
	}
	text := now.Text
	if now.At.IsZero() {
		text = policy.Default
	}
	set, err := policy.Parse(text)
	if err != nil {
		r.cfg.Log.Error("policy refuses everything until another is applied", "err", err)
		set, _ = policy.Parse("") // no rule permits anything
	}
	b.of, b.set, b.read = now, set, true
	return set
}

// request returns a step as the policy sees it.
func (s *session) request(req sessionlog.Requested, targets int, approvers []string) policy.Request {
	ep, _ := s.relay.dir.get(s.info.Endpoint)
	if e, ok := s.relay.fleet.Endpoint(s.info.Endpoint); ok { // the directory follows it
		ep.Client, ep.Name, ep.Labels = e.Client, e.Name, e.Labels
	}
	_, onCall := s.relay.fleet.OnCallUntil(s.info.Technician, s.info.Client)
	return policy.Request{
		Technician: s.info.Technician, Role: s.relay.fleet.RoleFor(s.info.Technician, s.info.Client), OnCall: onCall, Effect: string(req.Effect), Endpoint: ep,
		Command: req.Command, Targets: targets, Approvers: approvers, Now: time.Now(),
	}
}

// Policy implements console.Backend. The rules name clients, so they are for those
// who may see all of them.
func (b *backend) Policy(context.Context) (console.Policy, error) {
	if !b.may(console.RoleViewer, fleet.Everywhere) {
		return console.Policy{}, console.Errorf(console.CodeRefused, "ask one who does", "%s does not see every client", b.self.Name)
	}
	p := b.relay.fleet.Policy()
	if p.At.IsZero() {
		p.Text = policy.Default
	}
	return p, nil
}

func (b *backend) applyPolicy(ctx context.Context, in console.ApplyPolicy) (console.Receipt, error) {
	if _, err := policy.Parse(in.Text); err != nil {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "nothing was changed", "%v", err)
	}
	if in.Check {
		return console.Receipt{}, nil
	}
	if !b.administers(nil) {
		return console.Receipt{}, b.noAdmin("everywhere")
	}
	seq, err := b.relay.fleet.ApplyPolicy(ctx, b.actor(), in.Text)
	return console.Receipt{Seq: seq}, err
}
