// Package sshd hosts the interface and the verbs for technicians over SSH.
//
// People prove themselves with an ed25519 key, plain or on a security key, or with
// a short-lived certificate that a trusted authority gave them for one, and with
// nothing else. The key callback only says yes or no; who somebody is, is computed
// once in the session from the key that was proved. A connection can do nothing
// but open sessions: no forwarding, no subsystems, no agent. Where logins fail,
// further ones are turned away for a while before they cost anything.
package sshd

import (
	"context"
	"crypto"
	"log/slog"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/penalty"
	"github.com/caisey/caisey/relay/verb"
)

// Technicians knows who may come in.
type Technicians interface {
	// Allowed reports whether the credential is a technician's. It is asked about
	// those that are only offered, and must not remember them.
	Allowed(ctx context.Context, c Credential) bool
	// Console returns the relay as whoever proved c sees it. It is called once for
	// every session.
	Console(c Credential, remote net.Addr) (console.Backend, error)
	// Gone returns a channel that is closed once the credential is nobody's any
	// more, or its technician is disabled: the connection is then cut.
	Gone(c Credential) <-chan struct{}
}

// Config says how a Server behaves.
type Config struct {
	// HostKey proves the server: an ed25519 key. Required.
	HostKey crypto.Signer
	// Technicians knows who may come in. Required.
	Technicians Technicians
	// UserCAs are the ed25519 keys whose user certificates count. If none, no
	// certificate does.
	UserCAs []ssh.PublicKey
	// Version is what the server calls itself and what `version` prints. If
	// empty, "devel".
	Version string
	// OpenRecord and RelayKey are those of verb.Call.
	OpenRecord func(ctx context.Context, path string) (verb.RecordFile, error)
	RelayKey   string
	// HandshakeTimeout is how long a connection has to log in. If zero, 10 s.
	HandshakeTimeout time.Duration
	// MaxPending is the most connections that have not logged in. If zero, 64.
	MaxPending int
	// MaxPendingPerAddr is the most of them from one address. If zero, 8.
	MaxPendingPerAddr int
	// MaxConns is the most connections. If zero, 1024.
	MaxConns int
	// Penalty says how long an address is turned away where logins fail.
	Penalty penalty.Config
	// MaxSessions is the most sessions of all connections. If zero, 512.
	MaxSessions int
	// MaxSessionsPerConn is the most sessions of one connection. If zero, 16.
	MaxSessionsPerConn int
	// IdleTimeout ends the interface after this long without a key pressed;
	// output does not count. If zero, 12 hours; if negative, never.
	IdleTimeout time.Duration
	// Log is told about connections and failures. If nil, slog.Default().
	Log *slog.Logger

	// stuckAfter is how long a client may leave output unread. If zero, 30 s.
	stuckAfter time.Duration
	// model makes the interface. If nil, the real one.
	model modelFunc
}

func (c Config) withDefaults() Config {
	def := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	def(&c.MaxPending, 64)
	def(&c.MaxPendingPerAddr, 8)
	def(&c.MaxConns, 1024)
	def(&c.MaxSessions, 512)
	def(&c.MaxSessionsPerConn, 16)
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = 10 * time.Second
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 12 * time.Hour
	}
	if c.stuckAfter == 0 {
		c.stuckAfter = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Version == "" {
		c.Version = "devel"
	}
	if c.model == nil {
		c.model = newModel
	}
	return c
}
