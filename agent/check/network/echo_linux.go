package network

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// A kind says what came of an echo request.
type kind string

const (
	answered    kind = "answered"
	expired     kind = "time exceeded" // a hop on the way
	tooBig      kind = "too large"
	unreachable kind = "unreachable"
	silent      kind = "no answer"
)

// A reply is what came of an echo request.
type reply struct {
	kind kind
	from netip.Addr // who said so
	took time.Duration
	mtu  int // of tooBig: what would pass, if it was said
}

// An echo asks one host. It belongs to one goroutine.
type echo struct {
	to   netip.Addr
	conn *net.IPConn
	pc   *ipv4.PacketConn
	id   int
	seq  int
}

func newEcho(to netip.Addr) (*echo, error) {
	conn, err := net.ListenIP("ip4:icmp", nil)
	if err != nil {
		return nil, err
	}
	return &echo{to: to, conn: conn, pc: ipv4.NewPacketConn(conn), id: rand.IntN(1 << 16)}, nil
}

func (e *echo) close() { e.conn.Close() }

// linkMTU is the MTU of the interface that leads to the host.
func (e *echo) linkMTU() int {
	const common = 1500
	c, err := net.Dial("udp4", netip.AddrPortFrom(e.to, 9).String()) // sends nothing
	if err != nil {
		return common
	}
	defer c.Close()
	ours, _ := netip.ParseAddrPort(c.LocalAddr().String())
	links, _ := net.Interfaces()
	for _, l := range links {
		addrs, _ := l.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == ours.Addr().Unmap() {
				return min(l.MTU, 65535)
			}
		}
	}
	return common
}

// sendTwice sends whole packets of size bytes that no router may break. One lost is
// not yet a hole.
func (e *echo) sendTwice(ctx context.Context, size int, wait time.Duration) (reply, error) {
	r, err := e.send(ctx, 64, size, true, wait)
	if err == nil && r.kind == silent {
		return e.send(ctx, 64, size, true, wait)
	}
	return r, err
}

// send sends one echo request and waits for what comes of it.
func (e *echo) send(ctx context.Context, ttl, size int, whole bool, wait time.Duration) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, context.Cause(ctx)
	}
	e.seq++
	const heads = ipv4.HeaderLen + 8
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: e.id, Seq: e.seq & 0xffff, Data: make([]byte, max(0, size-heads))}}
	b, err := m.Marshal(nil)
	if err != nil {
		return reply{}, err
	}
	if err := errors.Join(e.pc.SetTTL(ttl), e.fragment(!whole)); err != nil {
		return reply{}, err
	}
	start := time.Now()
	if _, err := e.conn.WriteTo(b, &net.IPAddr{IP: e.to.AsSlice()}); err != nil {
		switch {
		case errors.Is(err, syscall.EMSGSIZE):
			return reply{kind: tooBig}, nil
		case isUnreachable(err):
			return reply{kind: unreachable}, nil
		}
		return reply{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = e.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := e.conn.SetReadDeadline(start.Add(wait)); err != nil {
		return reply{}, err
	}
	return e.receive(start)
}

// receive reads until something is about the last request.
func (e *echo) receive(start time.Time) (reply, error) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := e.conn.ReadFrom(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return reply{kind: silent}, nil
		}
		if err != nil {
			return reply{}, err
		}
		m, err := icmp.ParseMessage(1, b[:n])
		if err != nil {
			continue
		}
		if r, ok := e.judge(m, b[:n]); ok {
			r.took = time.Since(start)
			r.from, _ = netip.ParseAddr(from.String())
			return r, nil
		}
	}
}

// judge reports whether a message is about the last request, and what it says of it.
func (e *echo) judge(m *icmp.Message, raw []byte) (reply, bool) {
	const fragmentation = 4 // the code of "fragmentation needed", RFC 1191
	switch body := m.Body.(type) {
	case *icmp.Echo:
		return reply{kind: answered}, m.Type == ipv4.ICMPTypeEchoReply && body.ID == e.id && body.Seq == e.seq&0xffff
	case *icmp.TimeExceeded:
		return reply{kind: expired}, e.ours(body.Data)
	case *icmp.DstUnreach:
		r := reply{kind: unreachable}
		if m.Code == fragmentation {
			r = reply{kind: tooBig, mtu: int(raw[6])<<8 | int(raw[7])}
		}
		return r, e.ours(body.Data)
	}
	return reply{}, false
}

// ours reports whether the packet that an error quotes is the last request.
func (e *echo) ours(quoted []byte) bool {
	h, err := icmp.ParseIPv4Header(quoted)
	if err != nil || len(quoted) < h.Len+8 || h.Protocol != 1 {
		return false
	}
	b := quoted[h.Len:]
	return int(b[4])<<8|int(b[5]) == e.id && int(b[6])<<8|int(b[7]) == e.seq&0xffff
}

// fragment says whether routers may break packets; if not, the kernel does not
// remember what the path took before, either.
func (e *echo) fragment(may bool) error {
	raw, err := e.conn.SyscallConn()
	if err != nil {
		return err
	}
	how := unix.IP_PMTUDISC_PROBE
	if may {
		how = unix.IP_PMTUDISC_DONT
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how) })
	return errors.Join(err, failed)
}
