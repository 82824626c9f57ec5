package service

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server is where a connection goes.
type server struct {
	host string
	port int
	// instance is the name of SQL Server's; then the port is not known.
	instance string
	// socket is a Unix socket, instead of host and port.
	socket string
}

func (s server) name() string {
	switch {
	case s.socket != "":
		return s.socket
	case s.instance != "":
		return s.host + `\` + s.instance
	}
	return s.host
}

// String returns HOST:PORT, or the name if there is no port.
func (s server) String() string {
	if s.port == 0 || s.socket != "" {
		return s.name()
	}
	return net.JoinHostPort(s.host, strconv.Itoa(s.port))
}

// An answer is what came of trying to connect.
type answer struct {
	addrs    []string
	connects any // a bool, or nil if nobody tried
	took     any // a time.Duration, or nil
	why      string
	// fault says what is wrong, after the server's name; empty if nothing is.
	fault string
	slow  bool // it did not answer in time
}

// try connects to the server and closes at once.
func try(ctx context.Context, s server, wait time.Duration) answer {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if s.socket != "" {
		return connect(ctx, "unix", s.socket, answer{})
	}
	addrs, err := net.DefaultResolver.LookupHost(ctx, s.host)
	if err != nil {
		return unresolved(err)
	}
	a := answer{addrs: addrs}
	if s.port == 0 {
		a.why = "the port is not in the configuration: SQL Server Browser tells it"
		return a
	}
	return connect(ctx, "tcp", net.JoinHostPort(s.host, strconv.Itoa(s.port)), a)
}

func unresolved(err error) answer {
	var dns *net.DNSError
	a := answer{connects: false, fault: "does not resolve", why: "does not resolve"}
	if errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			a.why = "no such host"
		case dns.IsTimeout:
			a.why, a.slow = "the DNS server does not answer", true
		default:
			a.why = dns.Err
		}
	}
	a.fault += ": " + a.why
	return a
}

func connect(ctx context.Context, network, address string, a answer) answer {
	began := time.Now()
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	a.took, a.connects = time.Since(began), err == nil
	if err == nil {
		_ = c.Close()
		return a
	}
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || refused(err):
		a.why = "refused"
		a.fault = "refuses the connection"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		a.why, a.slow = "no answer", true
		a.fault = "does not answer"
	default:
		a.why = reason(err)
		a.fault = "cannot be reached: " + a.why
	}
	return a
}

// refused reports whether Windows says that the connection was refused: 10061.
func refused(err error) bool {
	var no syscall.Errno
	return errors.As(err, &no) && no == 10061
}

// reason returns the innermost words of an error of package net.
func reason(err error) string {
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err.Error()
	}
	text := err.Error()
	return text[strings.LastIndex(text, ": ")+1:]
}
