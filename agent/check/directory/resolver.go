package directory

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// resolver returns one that asks that server; this machine's if none is named.
func resolver(server string) *net.Resolver {
	if server == "" {
		return net.DefaultResolver
	}
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "53")
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}}
}

// ownDomain is the domain of this machine's own name; empty if it has none.
func ownDomain() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	if _, domain, ok := strings.Cut(name, "."); ok {
		return domain
	}
	cname, err := net.LookupCNAME(name)
	if err != nil {
		return ""
	}
	_, domain, _ := strings.Cut(strings.TrimSuffix(cname, "."), ".")
	return domain
}

// hostPort is a host and a port as one text.
func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// reach tries a TCP connection.
func reach(ctx context.Context, addr string, wait time.Duration) error {
	d := net.Dialer{Timeout: wait}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", addr, err)
	}
	return c.Close()
}

// text returns s as a cell; nil if there is none.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// ms returns a duration as a cell; nil if there was none.
func ms(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return float64(d) / float64(time.Millisecond)
}
