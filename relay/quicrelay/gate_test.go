package quicrelay

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/penalty"
	"github.com/caisey/caisey/relay/wire"
)

func TestGateAsksForRetryWhenThereAreMany(t *testing.T) {
	g := newGate()
	now := time.Unix(1e9, 0)
	g.clock = func() time.Time { return now }
	suspected := func(n int) (yes int) {
		for range n {
			if g.suspect(&net.UDPAddr{}) {
				yes++
			}
		}
		return yes
	}
	if n := suspected(handshakesPerSecond); n != 0 {
		t.Errorf("%d of the first %d need a Retry", n, handshakesPerSecond)
	}
	if n := suspected(10_000); n != 10_000 {
		t.Errorf("%d of 10,000 more in the same second do", n)
	}
	now = now.Add(time.Second / 2)
	if n := suspected(100); n != 100-handshakesPerSecond/2 {
		t.Errorf("%d of 100 half a second later do", n)
	}
	now = now.Add(time.Hour)
	if n := suspected(100); n != 100-handshakesPerSecond {
		t.Errorf("%d of 100 an hour later do", n)
	}
}

// Few handshakes at a time that are held for long use up no allowance: they must not
// use up the places of those who are asked for nothing.
func TestGateAsksForRetryWhenPlacesAreHeld(t *testing.T) {
	g := newGate()
	now := time.Unix(1e9, 0)
	g.clock = func() time.Time { return now }
	for i := range maxUnverified / 2 {
		now = now.Add(time.Second)
		if g.suspect(&net.UDPAddr{}) {
			t.Fatalf("handshake %d needs a Retry", i)
		}
		p, err := g.take(netip.Addr{}, false)
		if err != nil {
			t.Fatal(err)
		}
		defer p.free()
	}
	now = now.Add(time.Second)
	if !g.suspect(&net.UDPAddr{}) {
		t.Error("half of the places are held, and nobody is asked for a Retry")
	}
}

func TestGateHasFewPlaces(t *testing.T) {
	g := newGate()
	var held []*place
	take := func(from string, verified bool) bool {
		p, err := g.take(netip.MustParseAddr(from), verified)
		if err == nil {
			held = append(held, p)
		}
		return err == nil
	}
	for i := range maxUnverified + 1 {
		if ok := take("192.0.2.1", false); ok != (i < maxUnverified) {
			t.Fatalf("unverified handshake %d: %v", i+1, ok)
		}
	}
	for i := range maxHandshakesPerAddr + 1 {
		if ok := take("192.0.2.2", true); ok != (i < maxHandshakesPerAddr) {
			t.Fatalf("handshake %d of one address: %v", i+1, ok)
		}
	}
	addr := netip.MustParseAddr("198.51.100.0")
	for len(held) < maxHandshakes {
		if addr = addr.Next(); !take(addr.String(), true) {
			t.Fatalf("handshake %d was refused", len(held)+1)
		}
	}
	if take("203.0.113.1", true) {
		t.Error("there are places without end")
	}
	for _, p := range held {
		p.free()
		p.free() // twice is once
	}
	if g.total != 0 || g.unverified != 0 || len(g.pending) != 0 {
		t.Errorf("%d places, %d unverified, of %d addresses are held by nobody", g.total, g.unverified, len(g.pending))
	}
}

// exhaust makes every handshake begin with a Retry from now on.
func (g *gate) exhaust() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowance, g.at, g.clock = 0, time.Unix(1e9, 0), func() time.Time { return time.Unix(1e9, 0) }
}

func (g *gate) counts() (total, unverified int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total, g.unverified
}

// await waits until so many connections are not welcome yet.
func (g *gate) await(t *testing.T, want int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C {
		if total, _ := g.counts(); total == want {
			return
		} else if time.Now().After(end) {
			t.Fatalf("%d connections hold a place, want %d", total, want)
		}
	}
}

// A connection holds its place until it is welcome or ends, and agents come in
// during a flood: after a Retry.
func TestPlacesUnderFlood(t *testing.T) {
	s := newStation(t)
	g := s.server.gate
	id, _ := s.enrolled("db01")
	first, err := s.dial(id, wire.ProtoAgent)
	if err != nil {
		t.Fatal(err)
	}
	if total, unverified := g.counts(); total != 1 || unverified != 1 {
		t.Errorf("without a flood: %d places, %d unverified; want 1 and 1", total, unverified)
	}
	g.exhaust()
	silent, err := s.dial(id, wire.ProtoEnroll)
	if err != nil {
		t.Fatal(err)
	}
	if total, unverified := g.counts(); total != 2 || unverified != 1 {
		t.Errorf("in a flood: %d places, %d unverified; want 2 and 1", total, unverified)
	}
	for range maxHandshakesPerAddr - 1 {
		if _, err := g.take(netip.MustParseAddr("127.0.0.1"), true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.dial(id, wire.ProtoAgent); err == nil || !strings.Contains(err.Error(), "CONNECTION_REFUSED") {
		t.Errorf("one too many from this address: %v", err)
	}
	_, _ = silent.CloseWithError(0, ""), first.CloseWithError(0, "")
	g.await(t, maxHandshakesPerAddr-1) // those taken above
	if _, err := s.hello(id, &wire.Hello{}); err != nil {
		t.Errorf("an agent in a flood: %v", err)
	}
	g.await(t, maxHandshakesPerAddr-1) // it is welcome and holds none
}

// Bad tokens make an address wait, and good ones do not help it meanwhile.
func TestEnrolmentAttemptsAreLimited(t *testing.T) {
	s := newStationWith(t, 0, penalty.Config{Free: 2, First: time.Hour, Longest: time.Hour})
	enrol := func(secret []byte) wire.Refused_Code {
		t.Helper()
		id, err := wire.NewIdentity()
		if err != nil {
			t.Fatal(err)
		}
		b, err := wire.Append(nil, &wire.FromAgent{Message: &wire.FromAgent_Enroll{Enroll: &wire.Enroll{Secret: secret, Name: "db01"}}})
		if err != nil {
			t.Fatal(err)
		}
		_, answer, err := s.say(id, wire.ProtoEnroll, b)
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetRefused().GetCode()
	}
	for i, want := range []wire.Refused_Code{wire.Refused_CODE_TOKEN, wire.Refused_CODE_TOKEN, wire.Refused_CODE_TOKEN, wire.Refused_CODE_BUSY} {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // it cannot fail
		if got := enrol(secret); got != want {
			t.Errorf("bad token %d is answered %v, want %v", i+1, got, want)
		}
	}
	token, err := wire.ParseToken(s.token())
	if err != nil {
		t.Fatal(err)
	}
	if got := enrol(token.Secret[:]); got != wire.Refused_CODE_BUSY {
		t.Errorf("a good token from there is answered %v", got)
	}
}

func TestWindowsComeOutOfOneBudget(t *testing.T) {
	b := newBudget(10)
	one, other := new(quic.Conn), new(quic.Conn)
	if !b.take(one, 6) || b.take(other, 5) || !b.take(other, 4) || b.take(one, 1) {
		t.Errorf("%d are left", b.left)
	}
	b.put(one)
	if b.left != 6 || !b.take(other, 6) {
		t.Errorf("%d are left after one has gone", b.left)
	}
	b.put(other)
	b.put(other)
	if b.left != 10 || len(b.taken) != 0 {
		t.Errorf("%d are left after all have gone", b.left)
	}
}

// An agent opens one stream; the others are the relay's to open.
func TestAgentOpensOneStream(t *testing.T) {
	s := newStation(t)
	id, _ := s.enrolled("db01")
	conn, err := s.hello(id, &wire.Hello{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.OpenStream(); err == nil {
		t.Error("it may open a second one")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := conn.OpenUniStreamSync(ctx); err == nil {
		t.Error("it may open one that goes one way")
	}
}
