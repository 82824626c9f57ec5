// Package penalty makes those wait who fail to prove themselves, by where they come from.
//
// The first failures of an address cost nothing: people have many keys and
// mistype tokens. Each one after that doubles how long the address is turned away
// at the door. An address that has lately proved itself is not turned away: who
// shares an address with an attacker must still come in. However many addresses
// fail, only a fixed number of them is remembered.
package penalty

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Config says how a Box behaves. The zero value is good.
type Config struct {
	// Free is how many failures cost nothing. If zero, 5.
	Free int
	// First is the wait after the first failure that costs; each further one
	// doubles it. If zero, 1 s.
	First time.Duration
	// Longest is the longest wait. If zero, 5 minutes.
	Longest time.Duration
	// Forget is how long after its wait an address starts anew. If zero, 10
	// minutes.
	Forget time.Duration
	// Trust is how long an address that proved itself is let in whatever fails
	// there. If zero, 24 hours.
	Trust time.Duration
	// Most is the most addresses that are remembered, of those that failed and of
	// those that proved themselves each. If zero, 4096.
	Most int
	// Clock tells the time. If nil, the wall clock: a wait ends at a date, also on a
	// machine that slept meanwhile.
	Clock func() time.Time
}

// A Box remembers who failed. Its methods may be called concurrently.
type Box struct {
	cfg Config

	mu     sync.Mutex // guards what follows
	failed map[netip.Addr]failures
	known  map[netip.Addr]time.Time // until when
}

// failures are those of one address.
type failures struct {
	n     int
	until time.Time // when the address may come again
}

// New returns a Box that knows nobody.
func New(cfg Config) *Box {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&cfg.First, time.Second)
	def(&cfg.Longest, 5*time.Minute)
	def(&cfg.Forget, 10*time.Minute)
	def(&cfg.Trust, 24*time.Hour)
	if cfg.Free == 0 {
		cfg.Free = 5
	}
	if cfg.Most == 0 {
		cfg.Most = 4096
	}
	if cfg.Clock == nil {
		cfg.Clock = func() time.Time { return time.Now().Round(0) }
	}
	return &Box{cfg: cfg, failed: map[netip.Addr]failures{}, known: map[netip.Addr]time.Time{}}
}

// Network returns who counts as one: an IPv4 address, an IPv6 /64. What is no
// address counts as one with all others that are none.
func Network(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

// Site returns who counts as one of those that have many networks: an IPv6 /48. ok is
// false for all others.
func Site(a net.Addr) (site netip.Addr, ok bool) {
	from := Network(a)
	if !from.Is6() {
		return netip.Addr{}, false
	}
	p, err := from.Prefix(48)
	return p.Addr(), err == nil
}

// Wait returns how long from must wait before it may try again; 0 is not at all.
func (b *Box) Wait(from netip.Addr) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cfg.Clock()
	if b.knownLocked(from, now) {
		return 0
	}
	return max(0, b.currentLocked(from, now).until.Sub(now))
}

// currentLocked returns the failures of from that still count.
func (b *Box) currentLocked(from netip.Addr, now time.Time) failures {
	if f := b.failed[from]; !b.staleLocked(f, now) {
		return f
	}
	return failures{}
}

// Known reports whether from has lately proved itself.
func (b *Box) Known(from netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.knownLocked(from, b.cfg.Clock())
}

func (b *Box) knownLocked(from netip.Addr, now time.Time) bool {
	left := b.known[from].Sub(now)
	return left > 0 && left <= 2*b.cfg.Trust // more is from before the clock was put back
}

// Failed says that somebody at from did not prove themselves.
func (b *Box) Failed(from netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cfg.Clock()
	if b.knownLocked(from, now) {
		return
	}
	if _, ok := b.failed[from]; !ok && len(b.failed) >= b.cfg.Most {
		b.forgetLocked(now)
	}
	f := b.currentLocked(from, now)
	f.n++
	f.until = now
	if over := f.n - b.cfg.Free; over > 0 {
		f.until = now.Add(min(b.cfg.Longest, b.cfg.First<<min(over-1, 20)))
	}
	b.failed[from] = f
}

// Proved says that somebody at from did.
func (b *Box) Proved(from netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.failed, from)
	if _, ok := b.known[from]; !ok && len(b.known) >= b.cfg.Most {
		b.dropOldestLocked()
	}
	b.known[from] = b.cfg.Clock().Add(b.cfg.Trust)
}

// staleLocked reports whether failures are so old that they no longer count, or from
// before the clock was put back: nobody waits for a date that is years ahead.
func (b *Box) staleLocked(f failures, now time.Time) bool {
	return now.After(f.until.Add(b.cfg.Forget)) || f.until.Sub(now) > b.cfg.Longest+b.cfg.Forget
}

// forgetLocked makes room for one: all that are stale go; if there are none, one
// of those who failed least among a few.
func (b *Box) forgetLocked(now time.Time) {
	var least netip.Addr
	looked, dropped, fewest := 0, false, 0
	for addr, f := range b.failed {
		if b.staleLocked(f, now) {
			delete(b.failed, addr)
			dropped = true
			continue
		}
		if looked < 8 && (looked == 0 || f.n < fewest) {
			least, fewest = addr, f.n
		}
		looked++
	}
	if !dropped {
		delete(b.failed, least)
	}
}

func (b *Box) dropOldestLocked() {
	var oldest netip.Addr
	var at time.Time
	for addr, until := range b.known {
		if at.IsZero() || until.Before(at) {
			oldest, at = addr, until
		}
	}
	delete(b.known, oldest)
}
