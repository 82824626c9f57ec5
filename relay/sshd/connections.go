package sshd

import (
	"net"
	"net/netip"
	"sync"
)

// connections counts the connections that have not logged in, and can close all.
type connections struct {
	max, maxPerAddr int

	mu      sync.Mutex // guards what follows
	closing bool
	all     map[*countedConn]struct{}
	pending map[netip.Addr]int
	total   int // sum of pending
}

func newConnections(max, perAddr int) *connections {
	return &connections{
		max: max, maxPerAddr: perAddr,
		all: map[*countedConn]struct{}{}, pending: map[netip.Addr]int{},
	}
}

// A countedConn leaves the count when it logs in and the set when it is closed.
type countedConn struct {
	net.Conn
	set  *connections
	from netip.Addr

	pending bool // guarded by set.mu
}

// admit counts c as not logged in and returns it; nil if there are too many.
func (cs *connections) admit(c net.Conn) *countedConn {
	cc := &countedConn{Conn: c, set: cs, from: network(c.RemoteAddr()), pending: true}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closing || cs.total >= cs.max || cs.pending[cc.from] >= cs.maxPerAddr {
		return nil
	}
	cs.total++
	cs.pending[cc.from]++
	cs.all[cc] = struct{}{}
	return cc
}

// network returns who is counted as one: an IPv4 address, an IPv6 /64.
func network(a net.Addr) netip.Addr {
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

// proved takes the connection out of the count: somebody has logged in on it.
func (cc *countedConn) proved() {
	cc.set.mu.Lock()
	defer cc.set.mu.Unlock()
	cc.set.settleLocked(cc)
}

func (cs *connections) settleLocked(cc *countedConn) {
	if !cc.pending {
		return
	}
	cc.pending = false
	cs.total--
	if cs.pending[cc.from]--; cs.pending[cc.from] == 0 {
		delete(cs.pending, cc.from)
	}
}

// Close closes the connection and forgets it.
func (cc *countedConn) Close() error {
	cc.set.mu.Lock()
	cc.set.settleLocked(cc)
	delete(cc.set.all, cc)
	cc.set.mu.Unlock()
	return cc.Conn.Close()
}

// close refuses all further connections.
func (cs *connections) close() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closing = true
}

// closeAll closes every connection there is.
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
}
