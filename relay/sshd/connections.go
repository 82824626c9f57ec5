package sshd

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/penalty"
)

// connections counts the connections that have not logged in, and can close all.
type connections struct {
	// Static after newConnections.
	max, maxPerAddr int // that have not logged in
	most            int // of all
	box             *penalty.Box
	guards          sync.WaitGroup // of the connections that somebody logged in on

	mu      sync.Mutex // guards what follows
	closing bool
	all     map[*countedConn]struct{}
	pending map[netip.Addr]int
	total   int // sum of pending
}

func newConnections(cfg Config) *connections {
	return &connections{
		max: cfg.MaxPending, maxPerAddr: cfg.MaxPendingPerAddr, most: cfg.MaxConns, box: penalty.New(cfg.Penalty),
		all: map[*countedConn]struct{}{}, pending: map[netip.Addr]int{},
	}
}

// A countedConn leaves the count when it logs in and the set when it is closed.
type countedConn struct {
	net.Conn
	// Static after admit.
	set    *connections
	from   netip.Addr
	closed chan struct{} // by Close

	pending bool // guarded by set.mu
	shut    bool // guarded by set.mu: closed is closed
}

// admit counts c as not logged in and returns it; nil if there are too many, or if
// logins failed where it comes from.
func (cs *connections) admit(c net.Conn) *countedConn {
	cc := &countedConn{Conn: c, set: cs, from: penalty.Network(c.RemoteAddr()), closed: make(chan struct{}), pending: true}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	room := cs.max
	if cs.box.Known(cc.from) {
		room *= 2 // strangers cannot take all places
	}
	if cs.closing || len(cs.all) >= cs.most || cs.total >= room || cs.pending[cc.from] >= cs.maxPerAddr || cs.box.Wait(cc.from) > 0 {
		return nil
	}
	cs.total++
	cs.pending[cc.from]++
	cs.all[cc] = struct{}{}
	return cc
}

// proved takes the connection out of the count: somebody has logged in on it, and
// is let in until gone is closed or until has come. It reports false if nobody is
// let in any more.
func (cc *countedConn) proved(gone <-chan struct{}, until time.Time) bool {
	cc.set.mu.Lock()
	defer cc.set.mu.Unlock()
	if cc.set.closing {
		return false
	}
	if cc.set.settleLocked(cc) {
		cc.set.box.Proved(cc.from)
		cc.set.guards.Go(func() { cc.guard(gone, until) })
	}
	return true
}

// settleLocked takes cc out of the count, and reports whether it was in it.
func (cs *connections) settleLocked(cc *countedConn) bool {
	if !cc.pending {
		return false
	}
	cc.pending = false
	cs.total--
	if cs.pending[cc.from]--; cs.pending[cc.from] == 0 {
		delete(cs.pending, cc.from)
	}
	return true
}

// Close closes the connection and forgets it. If nobody logged in on it, that
// counts against where it came from.
func (cc *countedConn) Close() error {
	cc.set.mu.Lock()
	if cc.set.settleLocked(cc) && !cc.set.closing {
		cc.set.box.Failed(cc.from)
	}
	if !cc.shut {
		cc.shut = true
		close(cc.closed)
	}
	delete(cc.set.all, cc)
	cc.set.mu.Unlock()
	return cc.Conn.Close()
}

// farewell is how long the sessions of a connection have to say why it ends.
const farewell = 2 * time.Second

// guard closes the connection once gone is closed or until has come, if it is not
// zero. Sessions see to that themselves and say so; guard is for those that do not
// end, and for a connection that has none.
func (cc *countedConn) guard(gone <-chan struct{}, until time.Time) {
	expired, stop := at(until)
	defer stop()
	select {
	case <-gone:
	case <-expired:
	case <-cc.closed:
		return
	}
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-timer.C:
		_ = cc.Close() // the peer learns it either way
	case <-cc.closed:
	}
}

// at returns a channel on which something comes at t, or nothing ever if t is zero.
func at(t time.Time) (_ <-chan time.Time, stop func()) {
	if t.IsZero() {
		return nil, func() {}
	}
	timer := time.NewTimer(time.Until(t))
	return timer.C, func() { timer.Stop() }
}

// close refuses all further connections.
func (cs *connections) close() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closing = true
}

// closeAll closes every connection there is, and waits for their guards.
func (cs *connections) closeAll() {
	cs.mu.Lock()
	var all []*countedConn
	for cc := range cs.all {
		all = append(all, cc)
	}
	cs.mu.Unlock()
	for _, cc := range all {
		_ = cc.Close() // the peer learns it either way
	}
	cs.guards.Wait()
}
