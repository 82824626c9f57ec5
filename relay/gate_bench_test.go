package relay

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
)

// silent is an agent that takes every step and says nothing.
type silent struct{ took atomic.Int64 }

func (*silent) Done() <-chan struct{} { return nil }
func (*silent) Close(string)          {}

func (l *silent) Open(context.Context, Call) (Conversation, error) {
	l.took.Add(1)
	return &mute{make(chan struct{})}, nil
}

type mute struct{ closed chan struct{} }

func (c *mute) Recv() (Report, error)              { <-c.closed; return nil, errHungUp }
func (c *mute) Ack(sessionlog.Stream, int64) error { return nil }
func (c *mute) Cancel() error                      { return nil }
func (c *mute) Done() error                        { return nil }
func (c *mute) Close() {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
}

// BenchmarkUngated asks for steps on an endpoint without a gate, records in memory: by
// the default policy, and by one with gates at which 100 steps of another endpoint
// wait. The second over the first is what a gate costs those who do not meet it.
func BenchmarkUngated(b *testing.B) {
	var alone float64
	for _, c := range []struct {
		name, rules string
		waiting     int
	}{{"default", policy.Default, 0}, {"gates", gated, 100}} {
		b.Run(c.name, func(b *testing.B) {
			ana, free, held := ungated(b, c.rules)
			for range c.waiting {
				ask(b, ana, held)
			}
			for b.Loop() {
				ask(b, ana, free)
			}
			took := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if c.waiting == 0 {
				alone = took
			} else if alone > 0 {
				b.ReportMetric(took/alone, "gates/default")
			}
		})
	}
}

func ask(b *testing.B, who console.Backend, session sessionlog.SessionID) {
	in := console.Run{Session: session, Step: sessionlog.NewStepID(), Command: "systemctl status erp", Timeout: time.Minute}
	if _, err := who.Do(context.Background(), in); err != nil {
		b.Fatal(err)
	}
}

// ungated returns a technician with a session on app01, which has no gate, and one on
// db01, which has if the rules are gated.
func ungated(b *testing.B, rules string) (ana console.Backend, free, held sessionlog.SessionID) {
	b.Helper()
	ctx := context.Background()
	r := benchWorld(b)
	line, print := newKey(b)
	err := r.fleet.AddTechnician(ctx, sessionlog.Relay, console.AddTechnician{Name: "ana", Role: console.RoleAdmin, Key: line})
	if err != nil {
		b.Fatal(err)
	}
	ana = r.Console(console.Self{Name: "ana", Key: print})
	if _, err := ana.Do(ctx, console.ApplyPolicy{Text: rules}); err != nil {
		b.Fatal(err)
	}
	return ana, sessionAt(b, r, ana, "app01"), sessionAt(b, r, ana, "db01")
}

func sessionAt(b *testing.B, r *Relay, who console.Backend, name string) sessionlog.SessionID {
	b.Helper()
	ctx := context.Background()
	ep := benchEndpoint(b, r.fleet, name)
	r.Attach(Arrival{Endpoint: ep.ID, Link: new(silent)})
	opened, err := who.Do(ctx, console.Open{Endpoint: ep.ID})
	if err != nil {
		b.Fatal(err)
	}
	return opened.Session
}

// benchEndpoint enrols an endpoint of acme.
func benchEndpoint(b *testing.B, c *fleet.Catalogue, name string) fleet.Endpoint {
	b.Helper()
	hash := sha256.Sum256([]byte(name))
	if _, err := c.NewToken(b.Context(), sessionlog.Relay, hash, console.NewToken{Client: "acme"}); err != nil {
		b.Fatal(err)
	}
	pub, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	ep, err := c.Redeem(b.Context(), fleet.Redemption{Hash: hash, Key: pub, Name: name})
	if err != nil {
		b.Fatal(err)
	}
	return ep
}
