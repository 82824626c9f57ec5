package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/go-ldap/ldap/v3"
)

// A server is an LDAP server and how to speak with it.
type server struct {
	host string
	port int
	how  string // ldap, ldaps or starttls
	ca   string // a PEM file; empty means the machine's authorities
	wait time.Duration
}

// A link is a connection to a server. Its parts took so long.
type link struct {
	*ldap.Conn
	ip                    string
	resolve, connect, tls time.Duration
	stop                  func() bool // of the watch over ctx
}

// Close ends the connection.
func (l *link) Close() {
	l.stop()
	_ = l.Conn.Close()
}

// serverOf reads the parameters that serverParams declares.
func serverOf(in check.Input) server {
	s := server{host: in.Text("dc"), port: in.Int("port"), how: in.Text("how"), ca: in.Text("ca"), wait: in.Duration("timeout")}
	if s.port == 0 {
		s.port = map[string]int{"ldaps": 636}[s.how]
	}
	if s.port == 0 {
		s.port = 389
	}
	if s.host == "" {
		s.host = "localhost"
	}
	return s
}

// dial connects. A link that was begun comes back beside the error, to tell how far it
// came; it is closed then. The connection ends with ctx.
func (s server) dial(ctx context.Context) (*link, error) {
	l := &link{stop: func() bool { return true }}
	config, err := s.tls()
	if err != nil {
		return l, err
	}
	start := time.Now()
	ips, err := net.DefaultResolver.LookupHost(ctx, s.host)
	l.resolve = time.Since(start)
	if err != nil {
		return l, fmt.Errorf("resolve %s: %w", s.host, err)
	}
	l.ip = ips[0]
	start = time.Now()
	d := net.Dialer{Timeout: s.wait}
	c, err := d.DialContext(ctx, "tcp", hostPort(l.ip, s.port))
	l.connect = time.Since(start)
	if err != nil {
		return l, fmt.Errorf("connect: %w", err)
	}
	_ = c.SetDeadline(time.Now().Add(4 * s.wait)) // for whatever follows
	start = time.Now()
	if s.how == "ldaps" {
		t := tls.Client(c, config)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return l, fmt.Errorf("speak TLS: %w", err)
		}
		l.tls = time.Since(start)
		c = t
	}
	l.Conn = ldap.NewConn(c, s.how == "ldaps")
	l.Start()
	l.SetTimeout(s.wait)
	l.stop = context.AfterFunc(ctx, func() { c.Close() })
	if s.how == "starttls" {
		if err := l.StartTLS(config); err != nil {
			l.Close()
			return l, fmt.Errorf("start TLS: %w", err)
		}
		l.tls = time.Since(start)
	}
	return l, nil
}

// unknown returns err if it says what is missing here, and nothing of the server.
func unknown(err error) error {
	var missing *check.UnknownError
	if errors.As(err, &missing) {
		return missing
	}
	return nil
}

func (s server) tls() (*tls.Config, error) {
	c := &tls.Config{ServerName: s.host}
	if s.ca == "" {
		return c, nil
	}
	b, err := os.ReadFile(s.ca)
	if err != nil {
		return nil, check.Unknown("the authorities cannot be read: %v", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(b) {
		return nil, check.Unknown("there is no certificate in %s", s.ca)
	}
	return c, nil
}
