package quicrelay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/penalty"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
)

func TestGateAsksForRetryWhenThereAreMany(t *testing.T) {
	g := newGate(penalty.Config{})
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
	g := newGate(penalty.Config{})
	now := time.Unix(1e9, 0)
	g.clock = func() time.Time { return now }
	for i := range maxUnverified / 2 {
		now = now.Add(time.Second)
		if g.suspect(&net.UDPAddr{}) {
			t.Fatalf("handshake %d needs a Retry", i)
		}
		p, err := g.take(origin{}, false)
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

// at returns where connections from an address come from.
func at(addr string) origin {
	return originOf(net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 7000)))
}

// A crowd takes places and holds them.
type crowd struct {
	g    *gate
	held []*place
}

func (c *crowd) take(from string, verified bool) bool {
	p, err := c.g.take(at(from), verified)
	if err == nil {
		c.held = append(c.held, p)
	}
	return err == nil
}

// fill takes all that strangers may have, from addresses of their own.
func (c *crowd) fill(t *testing.T) {
	t.Helper()
	addr := netip.MustParseAddr("198.51.100.0")
	for len(c.held) < maxHandshakes-reservedHandshakes {
		if addr = addr.Next(); !c.take(addr.String(), true) {
			t.Fatalf("handshake %d was refused", len(c.held)+1)
		}
	}
}

func (c *crowd) empty(t *testing.T) {
	t.Helper()
	for _, p := range c.held {
		p.free()
		p.free() // twice is once
	}
	if g := c.g; g.total != 0 || g.unverified != 0 || len(g.pending) != 0 || len(g.perSite) != 0 {
		t.Errorf("%d places, %d unverified, of %d addresses and %d sites are held by nobody", g.total, g.unverified, len(g.pending), len(g.perSite))
	}
}

func TestGateHasFewPlaces(t *testing.T) {
	c := &crowd{g: newGate(penalty.Config{})}
	for i := range maxUnverified + 1 {
		if ok := c.take("192.0.2.1", false); ok != (i < maxUnverified) {
			t.Fatalf("unverified handshake %d: %v", i+1, ok)
		}
	}
	for i := range maxHandshakesPerAddr + 1 {
		if ok := c.take("192.0.2.2", true); ok != (i < maxHandshakesPerAddr) {
			t.Fatalf("handshake %d of one address: %v", i+1, ok)
		}
	}
	c.fill(t)
	if c.take("203.0.113.1", true) {
		t.Error("there are places without end")
	}
	c.empty(t)
}

// A /64 counts as one address, and a /48 has few more places than one.
func TestSitesHaveFewPlaces(t *testing.T) {
	c := &crowd{g: newGate(penalty.Config{})}
	for i := range maxHandshakesPerAddr + 1 {
		if ok := c.take(fmt.Sprintf("2001:db8:1:1::%x", i+1), true); ok != (i < maxHandshakesPerAddr) {
			t.Fatalf("handshake %d of one /64: %v", i+1, ok)
		}
	}
	for i := maxHandshakesPerAddr; i <= maxHandshakesPerSite; i++ {
		if ok := c.take(fmt.Sprintf("2001:db8:1:%x::1", i+2), true); ok != (i < maxHandshakesPerSite) {
			t.Fatalf("handshake %d of one /48: %v", i+1, ok)
		}
	}
	if !c.take("2001:db8:2:1::1", true) {
		t.Error("the /48 beside it is refused")
	}
	c.empty(t)
}

// What strangers cannot have is for networks where endpoints are, and for those only
// if they have shown that they are there.
func TestPlacesAreReservedForKnownNetworks(t *testing.T) {
	c := &crowd{g: newGate(penalty.Config{})}
	now := time.Unix(1e9, 0)
	c.g.known.clock = func() time.Time { return now }
	c.fill(t)
	for i := range reservedHandshakes {
		addr := fmt.Sprintf("203.0.113.%d", i)
		c.g.known.saw(sessionlog.NewEndpointID(), at(addr).network)
		if c.take(addr, false) {
			t.Fatal("an address that may be made up has a place that is reserved")
		}
		if !c.take(addr, true) {
			t.Fatalf("known network %d is refused", i+1)
		}
	}
	if c.take("203.0.113.0", true) {
		t.Error("there are places without end")
	}
	c.empty(t)
	if c.held = nil; c.g.suspect(nil) {
		t.Error("nobody is there, and all need a Retry")
	}
	now = now.Add(knownFor)
	if c.fill(t); c.take("203.0.113.1", true) {
		t.Error("a network is known a day after its endpoint was there")
	}
	if !c.g.suspect(nil) {
		t.Error("places are scarce, and nobody is asked to show their address")
	}
	c.empty(t)
}

// Who says nothing is turned away, by address and by /48: if the address is theirs.
func TestSilenceIsPenalised(t *testing.T) {
	g := newGate(penalty.Config{Free: 2, First: time.Hour, Longest: time.Hour})
	come := func(from string, verified bool, do ...func(*place)) error {
		p, err := g.take(at(from), verified)
		if err != nil {
			return err
		}
		for _, f := range do {
			f(p)
		}
		p.ended()
		return nil
	}
	shows := func(p *place) {
		if err := p.shown(); err != nil {
			t.Error(err)
		}
	}
	for range 10 {
		if come("192.0.2.1", false) != nil || come("192.0.2.1", false, shows, (*place).hear) != nil || come("192.0.2.1", true, (*place).hear) != nil {
			t.Fatal("who said what they came for, or may never have been there, is turned away")
		}
	}
	for i, silent := range []func() error{
		func() error { return come("192.0.2.1", false, shows) },
		func() error { return come("192.0.2.1", true) },
		func() error { return come("192.0.2.1", true, shows) },
	} {
		if err := silent(); err != nil {
			t.Fatalf("silent connection %d: %v", i+1, err)
		}
	}
	for _, verified := range []bool{false, true} {
		if err := come("192.0.2.1", verified); !errors.Is(err, errSilent) {
			t.Errorf("who was silent three times: %v", err)
		}
	}
	if err := come("192.0.2.2", true); err != nil {
		t.Errorf("another address: %v", err)
	}
	n := 0
	for ; come(fmt.Sprintf("2001:db8:1:%x::1", n), true) == nil && n < 1000; n++ {
	}
	if n != 2*sitePatience+1 {
		t.Errorf("a /48 is turned away after %d silent connections from as many /64", n)
	}
	if err := come("2001:db8:2::1", true); err != nil {
		t.Errorf("the /48 beside it: %v", err)
	}
	g.known.saw("1", at("203.0.113.1").network)
	for range 100 {
		if err := come("203.0.113.1", true); err != nil {
			t.Fatalf("who shares an address with an endpoint: %v", err)
		}
	}
}

// Who finishes a handshake without a Retry has shown an address as well, and has no
// more places than others.
func TestShownAddressesAreCounted(t *testing.T) {
	g := newGate(penalty.Config{})
	for i := range maxHandshakesPerAddr + 1 {
		p, err := g.take(at("192.0.2.1"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer p.free()
		if err := p.shown(); (err == nil) != (i < maxHandshakesPerAddr) {
			t.Errorf("connection %d: %v", i+1, err)
		}
	}
	if g.unverified != 0 {
		t.Errorf("%d still count as made up", g.unverified)
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

// await waits until so many connections are not welcome yet, all at addresses shown.
func (g *gate) await(t *testing.T, want int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		if total, unverified := g.counts(); total == want && unverified == 0 {
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
	g.await(t, 1)
	g.exhaust()
	silent, err := s.dial(id, wire.ProtoEnroll)
	if err != nil {
		t.Fatal(err)
	}
	if total, unverified := g.counts(); total != 2 || unverified > 1 { // the first, until the relay has looked at it
		t.Errorf("in a flood: %d places, %d unverified; want 2 and at most 1", total, unverified)
	}
	g.await(t, 2)
	for range maxHandshakesPerAddr - 2 {
		if _, err := g.take(at("127.0.0.1"), true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.dial(id, wire.ProtoAgent); err == nil || !strings.Contains(err.Error(), "CONNECTION_REFUSED") {
		t.Errorf("one too many from this address: %v", err)
	}
	_, _ = silent.CloseWithError(0, ""), first.CloseWithError(0, "")
	g.await(t, maxHandshakesPerAddr-2) // those taken above
	if _, err := s.hello(id, &wire.Hello{}); err != nil {
		t.Errorf("an agent in a flood: %v", err)
	}
	g.await(t, maxHandshakesPerAddr-2) // it is welcome and holds none
}

// Bad tokens make an address wait, and good ones do not help it meanwhile.
func TestEnrolmentAttemptsAreLimited(t *testing.T) {
	s := newStationWith(t, 0, Config{Penalty: penalty.Config{Free: 2, First: time.Hour, Longest: time.Hour}})
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
