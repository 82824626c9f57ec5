package quicrelay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/penalty"
)

// What strangers may have of the relay before they have said who they are. Each has
// a test.
const (
	// maxHandshakes is the most connections that are not welcome yet.
	maxHandshakes = 512
	// reservedHandshakes is how many of them are for networks from which an endpoint
	// was welcome lately.
	reservedHandshakes = maxHandshakes / 4
	// maxUnverified is the most of them whose address may be made up.
	maxUnverified = 256
	// maxHandshakesPerAddr is the most of them from one address that is not: an IPv4
	// address, or an IPv6 /64.
	maxHandshakesPerAddr = 64
	// maxHandshakesPerSite is the most of them from one IPv6 /48.
	maxHandshakesPerSite = 128
	// sitePatience is how many times as often as a /64 a /48 may be silent before it
	// has to wait.
	sitePatience = 8
	// handshakesPerSecond is from how many on an address has to be shown by a Retry.
	handshakesPerSecond = 50
	// handshakeTimeout is how long the other side may be silent in the handshake.
	handshakeTimeout = 3 * time.Second
	// placeTime is how long a place is held at the very most: twice the handshake's
	// time, the hello's, and some.
	placeTime = 20 * time.Second
)

// limits are how many places a gate has.
type limits struct{ all, reserved, unverified, perAddr, perSite int }

// A gate counts the connections that are not welcome yet.
type gate struct {
	// Static.
	clock  func() time.Time // of the allowance: rates are no dates
	silent *penalty.Box     // of networks that came and said nothing
	sites  *penalty.Box     // of /48 that did
	known  *known

	mu         sync.Mutex // guards what follows
	most       limits
	pending    map[netip.Addr]int // by IPv4 address and /64
	perSite    map[netip.Addr]int // by /48
	total      int
	unverified int
	allowance  float64 // of handshakes that need no Retry
	at         time.Time
}

// newGate returns one that makes silent networks wait as p says.
func newGate(p penalty.Config) *gate {
	g := &gate{
		clock: time.Now, silent: penalty.New(p), known: newKnown(func() time.Time { return time.Now().Round(0) }, maxKnown),
		most:    limits{maxHandshakes, reservedHandshakes, maxUnverified, maxHandshakesPerAddr, maxHandshakesPerSite},
		pending: map[netip.Addr]int{}, perSite: map[netip.Addr]int{}, allowance: handshakesPerSecond,
	}
	if p.Free == 0 {
		p.Free = 5
	}
	p.Free *= sitePatience
	g.sites = penalty.New(p)
	return g
}

// An origin is where a connection comes from.
type origin struct {
	network netip.Addr
	site    netip.Addr // of IPv6 only
}

func originOf(a net.Addr) origin {
	site, _ := penalty.Site(a)
	return origin{penalty.Network(a), site}
}

// suspect reports whether a handshake has to begin with a Retry: one roundtrip, for
// which we keep nothing and by which the other side shows its address.
func (g *gate) suspect(net.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	if !g.at.IsZero() {
		g.allowance = min(handshakesPerSecond, g.allowance+now.Sub(g.at).Seconds()*handshakesPerSecond)
	}
	g.at = now
	// Few at a time, held for long, use up no allowance but the places. What is
	// reserved is so for those who have shown where they are.
	if g.allowance < 1 || g.unverified >= g.most.unverified/2 || g.total >= g.strangersLocked()/2 {
		return true
	}
	g.allowance--
	return false
}

// strangersLocked returns from how many connections on only known networks get in.
func (g *gate) strangersLocked() int { return g.most.all - g.most.reserved }

// wait returns how long from is turned away because it came and said nothing.
func (g *gate) wait(from origin) time.Duration {
	wait := g.silent.Wait(from.network)
	if from.site.IsValid() {
		wait = max(wait, g.sites.Wait(from.site))
	}
	return wait
}

// failed notes that somebody came from there for nothing. Where endpoints come from,
// that is forgiven: whoever shares an address with an attacker must still come in.
func (g *gate) failed(from origin) {
	if g.known.has(from.network) {
		return
	}
	g.silent.Failed(from.network)
	if from.site.IsValid() {
		g.sites.Failed(from.site)
	}
}

var (
	errCrowded = errors.New("too many handshakes at once")
	errSilent  = errors.New("too many connections from this address said nothing")
)

// admit takes a place for a connection that begins. It is given back when the
// connection is welcome or ends, whatever is first.
func (g *gate) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	p, err := g.take(originOf(info.RemoteAddr), info.AddrVerified)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, p.ended)
	return context.WithValue(ctx, placeKey{}, p), nil
}

func (g *gate) take(from origin, verified bool) (*place, error) {
	known := verified && g.known.has(from.network)
	if !known && g.wait(from) > 0 {
		return nil, errSilent
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.total >= g.most.all, !known && g.total >= g.strangersLocked():
		return nil, errCrowded
	case verified && g.crowdedLocked(from):
		return nil, errCrowded
	case !verified && g.unverified >= g.most.unverified:
		return nil, errCrowded
	case verified:
		g.countLocked(from, 1)
	default:
		g.unverified++
	}
	g.total++
	p := &place{gate: g, from: from, verified: verified}
	p.timer = time.AfterFunc(placeTime, p.free)
	return p, nil
}

// crowdedLocked reports whether from has as many places as one may have.
func (g *gate) crowdedLocked(from origin) bool {
	return g.pending[from.network] >= g.most.perAddr ||
		from.site.IsValid() && g.perSite[from.site] >= g.most.perSite
}

func (g *gate) countLocked(from origin, by int) {
	add := func(m map[netip.Addr]int, key netip.Addr) {
		if m[key] += by; m[key] == 0 {
			delete(m, key)
		}
	}
	add(g.pending, from.network)
	if from.site.IsValid() {
		add(g.perSite, from.site)
	}
}
