package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	charm "charm.land/ssh"
	"charm.land/wish/v2"
	"golang.org/x/crypto/ssh"
)

// keyTypes are the algorithms by which a person may prove a key.
func keyTypes() []string { return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519} }

// maxAuthTries is how many keys a client may try: more than an agent usually
// holds, fewer than a search needs.
const maxAuthTries = 10

// A Server is the SSH door of a relay. Its methods may be called concurrently.
type Server struct {
	cfg   Config
	ssh   *charm.Server
	conns *connections
	cas   authorities

	quit context.CancelCauseFunc // ends all sessions
	life context.Context         // of the sessions

	mu        sync.Mutex // guards what follows
	sessions  int        // channels
	closing   bool
	listeners []net.Listener
	gone      chan struct{}  // closed and replaced when a session is gone
	handlers  sync.WaitGroup // grows only while not closing
}

// goodbye is how long clients have to close what we have closed.
const goodbye = 500 * time.Millisecond

// errShutdown is why sessions end when the server does.
var errShutdown = errors.New("the relay is shutting down")

// New returns a Server that is not serving yet.
func New(cfg Config) (*Server, error) {
	if cfg.HostKey == nil || cfg.Technicians == nil {
		return nil, errors.New("configure SSH server: host key or technicians missing")
	}
	cfg = cfg.withDefaults()
	host, err := ssh.NewSignerFromSigner(cfg.HostKey)
	if err != nil {
		return nil, fmt.Errorf("use host key: %w", err)
	}
	cas, err := newAuthorities(cfg.UserCAs)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, conns: newConnections(cfg), cas: cas, gone: make(chan struct{})}
	s.life, s.quit = context.WithCancelCause(context.Background())
	s.ssh, err = wish.NewServer(
		func(srv *charm.Server) error { srv.AddHostKey(host); return nil },
		wish.WithVersion("Caisey_"+bannerVersion(cfg.Version)),
		// Yes or no, and nothing is remembered: a key that is only offered
		// must not become anybody's identity.
		wish.WithPublicKeyAuth(func(ctx charm.Context, key charm.PublicKey) bool { return s.allowed(ctx, key) }),
		wish.WithMiddleware(func(charm.Handler) charm.Handler { return s.handle }),
		s.harden,
	)
	if err != nil {
		return nil, fmt.Errorf("configure SSH server: %w", err)
	}
	for _, ca := range cfg.UserCAs {
		cfg.Log.Info("user CA trusted", "key", ssh.FingerprintSHA256(ca))
	}
	return s, nil
}

// allowed reports whether somebody who proved key would be let in.
func (s *Server) allowed(ctx charm.Context, key ssh.PublicKey) bool {
	c, err := s.cas.credential(key, ctx.RemoteAddr(), time.Now())
	if err == nil {
		return s.cfg.Technicians.Allowed(ctx, c)
	}
	if _, ok := key.(*ssh.Certificate); ok && !errors.Is(err, errAuthority) { // somebody will ask why
		s.cfg.Log.Info("certificate refused", "remote", ctx.RemoteAddr().String(), "why", err.Error())
	}
	return false
}

// proved is told who logged in on a connection.
func (s *Server) proved(cc *countedConn, key ssh.PublicKey) error {
	c, err := s.cas.credential(key, cc.RemoteAddr(), time.Now())
	if err != nil {
		return err
	}
	if !cc.proved(s.cfg.Technicians.Gone(c), c.Until) {
		return errShutdown
	}
	return nil
}

// harden closes what the library leaves open.
func (s *Server) harden(srv *charm.Server) error {
	srv.HandshakeTimeout = s.cfg.HandshakeTimeout
	srv.ConnCallback = func(ctx charm.Context, c net.Conn) net.Conn {
		cc := s.conns.admit(c)
		if cc == nil {
			return nil // not a *countedConn that is nil
		}
		ctx.SetValue(connKey{}, cc)
		return cc
	}
	srv.ServerConfigCallback = func(ctx charm.Context) *ssh.ServerConfig {
		cc := ctx.Value(connKey{}).(*countedConn) // set above, for the same connection
		return &ssh.ServerConfig{
			MaxAuthTries:            maxAuthTries,
			PublicKeyAuthAlgorithms: keyTypes(),
			VerifiedPublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey, p *ssh.Permissions, _ string) (*ssh.Permissions, error) {
				return p, s.proved(cc, key)
			},
		}
	}
	srv.ConnectionFailedCallback = func(c net.Conn, err error) {
		s.cfg.Log.Debug("SSH login failed", "remote", c.RemoteAddr().String(), "err", err.Error())
	}
	srv.ChannelHandlers = map[string]charm.ChannelHandler{"session": s.openSession}
	srv.RequestHandlers = map[string]charm.RequestHandler{}
	srv.SubsystemHandlers = map[string]charm.SubsystemHandler{}
	return nil
}

// connKey is where the library's context of a connection holds its *countedConn.
type connKey struct{}

func allowedType(key ssh.PublicKey) bool {
	return key.Type() == ssh.KeyAlgoED25519 || key.Type() == ssh.KeyAlgoSKED25519
}

// bannerVersion returns v as RFC 4253 allows it in a version line.
func bannerVersion(v string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '-' {
			return '_'
		}
		return r
	}, v[:min(len(v), 64)])
}

// Serve answers the connections that l accepts, until Shutdown or an error of l.
// After Shutdown it returns nil.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	err := s.ssh.Serve(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil
	}
	return fmt.Errorf("serve SSH on %s: %w", l.Addr(), err)
}

// Shutdown stops accepting, ends the sessions with their terminals restored, and
// closes the connections. If ctx ends first, it closes them at once and returns
// the cause.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	listeners := s.listeners
	s.mu.Unlock()
	s.conns.close() // before the listeners: what they still accept is refused
	for _, l := range listeners {
		_ = l.Close() // nothing is lost if it was closed already
	}
	s.quit(errShutdown)
	done := make(chan struct{})
	go func() { // ends with the handlers, which end because s.quit was called
		defer close(done)
		s.handlers.Wait()
	}()
	var err error
	select {
	case <-done:
		s.waitGone(ctx)
	case <-ctx.Done():
		err = fmt.Errorf("end SSH sessions: %w", context.Cause(ctx))
	}
	s.conns.closeAll()
	return err
}

// waitGone waits until all sessions are closed by both sides, but not for long:
// a connection closed earlier could lose what its client has not read yet.
func (s *Server) waitGone(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	for {
		s.mu.Lock()
		n, gone := s.sessions, s.gone
		s.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-gone:
		case <-ctx.Done():
			return
		}
	}
}

// enter takes a place for a session, and reports whether there was one. Each
// place taken is given back with leave.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.sessions >= s.cfg.MaxSessions {
		return false
	}
	s.sessions++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions--
	close(s.gone)
	s.gone = make(chan struct{})
}

// begin reports whether a session's handler may begin. It is counted until it
// calls s.handlers.Done.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.handlers.Add(1)
	return true
}
