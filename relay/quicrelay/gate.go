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
	// maxUnverified is the most of them whose address may be made up.
	maxUnverified = 256
	// maxHandshakesPerAddr is the most of them from one address that is not.
	maxHandshakesPerAddr = 64
	// handshakesPerSecond is from how many on an address has to be shown by a Retry.
	handshakesPerSecond = 50
	// handshakeTimeout is how long the other side may be silent in the handshake.
	handshakeTimeout = 3 * time.Second
	// placeTime is how long a place is held at the very most: twice the handshake's
	// time, the hello's, and some.
	placeTime = 20 * time.Second
)

// A gate counts the connections that are not welcome yet.
type gate struct {
	clock func() time.Time // static

	mu         sync.Mutex // guards what follows
	pending    map[netip.Addr]int
	total      int
	unverified int
	allowance  float64 // of handshakes that need no Retry
	at         time.Time
}

func newGate() *gate {
	return &gate{clock: time.Now, pending: map[netip.Addr]int{}, allowance: handshakesPerSecond}
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
	// Few at a time, held for long, use up no allowance but the places.
	if g.allowance < 1 || g.unverified >= maxUnverified/2 {
		return true
	}
	g.allowance--
	return false
}

var errCrowded = errors.New("too many handshakes at once")

type placeKey struct{}

// A place is one connection's among those that are not welcome yet.
type place struct {
	free func() // gives it back; any call but the first does nothing
}

// admit takes a place for a connection that begins. It is given back when the
// connection is welcome or ends, whatever is first.
func (g *gate) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	p, err := g.take(penalty.Network(info.RemoteAddr), info.AddrVerified)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, p.free)
	return context.WithValue(ctx, placeKey{}, p), nil
}

func (g *gate) take(from netip.Addr, verified bool) (*place, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.total >= maxHandshakes, !verified && g.unverified >= maxUnverified, verified && g.pending[from] >= maxHandshakesPerAddr:
		return nil, errCrowded
	case verified:
		g.pending[from]++
	default:
		g.unverified++
	}
	g.total++
	p := &place{free: sync.OnceFunc(func() { g.put(from, verified) })}
	timer := time.AfterFunc(placeTime, p.free)
	free := p.free
	p.free = func() { timer.Stop(); free() }
	return p, nil
}

func (g *gate) put(from netip.Addr, verified bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if !verified {
		g.unverified--
	} else if g.pending[from]--; g.pending[from] == 0 {
		delete(g.pending, from)
	}
}

// welcomed gives a connection's place back.
func welcomed(conn *quic.Conn) {
	if p, ok := conn.Context().Value(placeKey{}).(*place); ok {
		p.free()
	}
}
