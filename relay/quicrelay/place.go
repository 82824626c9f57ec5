package quicrelay

import (
	"time"

	"github.com/quic-go/quic-go"
)

type placeKey struct{}

// A place is one connection's among those that are not welcome yet.
type place struct {
	// Static.
	gate  *gate
	from  origin
	timer *time.Timer

	// Guarded by gate.mu.
	verified bool // from is no made-up address
	given    bool // the place is given back
	heard    bool // the first message has come
}

// placeOf returns a connection's place.
func placeOf(conn *quic.Conn) *place { return conn.Context().Value(placeKey{}).(*place) }

// shown notes that the handshake is done, by which the other side has shown its
// address without a Retry, too. It returns an error if that has places enough.
func (p *place) shown() error {
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.verified || p.given {
		return nil
	}
	crowded := g.crowdedLocked(p.from)
	p.verified = true
	g.unverified--
	g.countLocked(p.from, 1)
	if crowded {
		p.heard = true // it had no time to say anything
		return errCrowded
	}
	return nil
}

// hear notes that the other side said what it came for.
func (p *place) hear() {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	p.heard = true
}

// free gives the place back; any call but the first does nothing.
func (p *place) free() {
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.given {
		return
	}
	p.given = true
	p.timer.Stop()
	g.total--
	if p.verified {
		g.countLocked(p.from, -1)
	} else {
		g.unverified--
	}
}

// ended gives the place of a connection back that has ended. If it said nothing, who
// is there has to answer for it, unless the address may be made up.
func (p *place) ended() {
	p.free()
	p.gate.mu.Lock()
	answers := p.verified && !p.heard
	p.gate.mu.Unlock()
	if answers {
		p.gate.failed(p.from)
	}
}
