package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/wire"
)

// dialTimeout is how long one attempt to connect takes, with its look-up.
const dialTimeout = 10 * time.Second

// A dialer connects to one relay. It belongs to one goroutine.
type dialer struct {
	cfg      Config
	identity *wire.Identity
	key      ed25519.PublicKey
	addr     string

	transport *quic.Transport // nil until it is needed, and after it broke
	socket    net.PacketConn
	attempts  int // chooses among the relay's addresses
}

// dial connects for proto. That it succeeds says nothing: the relay may not have
// looked at our certificate yet.
func (d *dialer) dial(ctx context.Context, proto string) (*quic.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addr, err := d.resolve(ctx)
	if err != nil {
		return nil, err
	}
	if d.transport == nil {
		if d.socket, err = d.cfg.socket(); err != nil {
			return nil, fmt.Errorf("open socket: %w", err)
		}
		d.transport = &quic.Transport{Conn: d.socket, ConnectionIDLength: 8}
	}
	conn, err := d.transport.Dial(ctx, addr, d.identity.DialTLS(proto, d.key), wire.Config())
	if err != nil {
		var broken *net.OpError
		if errors.Is(err, quic.ErrTransportClosed) || errors.As(err, &broken) {
			d.close() // the next attempt opens another socket
		}
		return nil, err
	}
	return conn, nil
}

// resolve looks up the relay's address; of several it takes one after the other.
func (d *dialer) resolve(ctx context.Context) (net.Addr, error) {
	if a, err := netip.ParseAddrPort(d.addr); err == nil {
		return net.UDPAddrFromAddrPort(a), nil
	}
	host, service, err := net.SplitHostPort(d.addr)
	if err != nil {
		return nil, fmt.Errorf("find relay: %w", err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("find relay: %q is no port", service)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("find relay: %w", err)
	}
	ip := ips[d.attempts%len(ips)].Unmap()
	d.attempts++
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port))), nil
}

// close ends the transport and its socket.
func (d *dialer) close() {
	if d.transport != nil {
		_ = d.transport.Close()
		_ = d.socket.Close()
		d.transport = nil
	}
}
