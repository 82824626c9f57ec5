// Package quicrelay accepts agents over QUIC and presents them to a relay.
//
// A connection is for one thing, which its ALPN names: caisey-enroll/1 redeems a
// token, caisey-agent/1 is an enrolled agent. An agent counts as connected once
// its Hello was answered with a Welcome, and no sooner. What strangers may have
// before that is bounded: gate.go and window.go say by how much.
package quicrelay

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/penalty"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
)

// Config says what a Server works with. Relay, Fleet, Identity and Conn must be set.
type Config struct {
	Relay    *relay.Relay
	Fleet    *fleet.Catalogue
	Identity *wire.Identity
	// Conn is the UDP socket. The Server closes it.
	Conn net.PacketConn
	// Penalty says how long an address enrols nobody after it showed bad tokens, and
	// is turned away after it came and said nothing.
	Penalty penalty.Config
	// Resume is the directory in which stays how far each agent has come, so that a
	// copy of its key is noticed, and from where, so that it gets in during a flood. If
	// empty, that is kept in memory.
	Resume string
	// Log is told of refusals and lost agents. If nil, slog.Default().
	Log *slog.Logger
}

// A Server accepts agents until it is closed.
type Server struct {
	// Static after Serve.
	cfg       Config
	transport *quic.Transport
	listener  *quic.Listener
	gate      *gate
	budget    *budget
	box       *penalty.Box    // of addresses that showed bad tokens
	ctx       context.Context // ends at Close
	stop      context.CancelCauseFunc
	accepting sync.WaitGroup
	conns     sync.WaitGroup

	resumes *resumes

	mu      sync.Mutex // guards what follows
	open    map[*quic.Conn]bool
	holders map[sessionlog.EndpointID]map[*quic.Conn]bool // who proved an endpoint's key
}

var errStopping = errors.New("the relay is stopping")

// errNotEnrolled is what an agent without an enrolled key is told by TLS.
var errNotEnrolled = errors.New("this agent's key is not enrolled here")

// Serve starts to accept agents.
func Serve(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{
		cfg: cfg, gate: newGate(cfg.Penalty), budget: newBudget(windowBudget), box: penalty.New(cfg.Penalty),
		open: map[*quic.Conn]bool{}, holders: map[sessionlog.EndpointID]map[*quic.Conn]bool{},
	}
	var err error
	if s.resumes, err = newResumes(cfg.Resume, cfg.Log); err != nil {
		return nil, err
	}
	if cfg.Resume != "" {
		if err := s.gate.known.load(filepath.Join(cfg.Resume, knownFile)); err != nil {
			cfg.Log.Warn("endpoints come from networks that are not known", "err", err)
		}
	}
	reset, err := derive(cfg.Identity, "stateless reset")
	if err != nil {
		return nil, err
	}
	token, err := derive(cfg.Identity, "address token")
	if err != nil {
		return nil, err
	}
	s.transport = &quic.Transport{
		Conn:               cfg.Conn,
		ConnectionIDLength: 8,
		StatelessResetKey:  (*quic.StatelessResetKey)(reset),
		TokenGeneratorKey:  (*quic.TokenGeneratorKey)(token),
		MaxTokenAge:        time.Hour,

		VerifySourceAddress: s.gate.suspect,
		ConnContext:         s.gate.admit,
	}
	s.listener, err = s.transport.Listen(cfg.Identity.ListenTLS(s.admit, wire.ProtoAgent, wire.ProtoEnroll), s.quicConfig())
	if err != nil {
		return nil, fmt.Errorf("listen for agents: %w", err)
	}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.accepting.Go(s.accept)
	return s, nil
}

// derive returns a key that survives restarts with the identity it comes from:
// a restarted relay can then reset the connections of the one before it.
func derive(id *wire.Identity, use string) (*[32]byte, error) {
	b, err := hkdf.Key(sha256.New, id.Private().Seed(), nil, "caisey quic "+use, 32)
	if err != nil {
		return nil, fmt.Errorf("derive %s key: %w", use, err)
	}
	return (*[32]byte)(b), nil
}

// admit decides who completes a handshake: enrolled keys as agents, any key with
// which somebody may still redeem a token.
func (s *Server) admit(proto string, key ed25519.PublicKey) error {
	if proto == wire.ProtoEnroll {
		return nil
	}
	if _, ok := s.cfg.Fleet.EndpointByKey(key); !ok {
		return errNotEnrolled
	}
	return nil
}

// goodbye is how long the transport outlives its connections, so that their
// last packets leave.
const goodbye = 200 * time.Millisecond

// Close turns agents away in an order that lets none of them believe it is
// still connected: the listener first, so that nobody redials into a dying
// process, then the connections, then the socket.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.accepting.Wait()
	s.stop(errStopping)
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.CloseWithError(wire.CodeBye, errStopping.Error()) // tells whom it can
	}
	s.mu.Unlock()
	s.conns.Wait()
	<-time.After(goodbye)
	return errors.Join(err, s.gate.known.save(), s.transport.Close(), s.cfg.Conn.Close())
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept(context.Background())
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		s.open[conn] = true
		s.mu.Unlock()
		s.conns.Go(func() {
			s.serve(conn)
			s.budget.put(conn)
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
		})
	}
}

// serve owns one connection from its first stream to its end.
func (s *Server) serve(conn *quic.Conn) {
	cs := conn.ConnectionState().TLS
	log := s.cfg.Log.With("from", conn.RemoteAddr().String())
	key, err := wire.PeerKey(cs)
	if err == nil {
		err = placeOf(conn).shown()
	}
	if err == nil {
		if cs.NegotiatedProtocol == wire.ProtoEnroll {
			err = s.enroll(conn, key)
		} else {
			err = s.agent(conn, key)
		}
	}
	code := wire.CodeBye
	var bad *protocolError
	if errors.As(err, &bad) {
		code = bad.code
	}
	if err != nil && s.ctx.Err() == nil {
		level := slog.LevelInfo
		if s.wearies(conn) {
			level = slog.LevelDebug // strangers do not fill the log
		}
		log.Log(s.ctx, level, "agent connection ended", "why", err)
		_ = conn.CloseWithError(code, err.Error()) // it may be gone already
		return
	}
	_ = conn.CloseWithError(code, "")
}

// saw notes that an endpoint is, or was until now, welcome at the other end of conn.
func (s *Server) saw(id sessionlog.EndpointID, conn *quic.Conn) {
	if !s.gate.known.saw(id, penalty.Network(conn.RemoteAddr())) {
		return
	}
	s.conns.Go(func() { // the agent waits for no disk
		if err := s.gate.known.save(); err != nil {
			s.cfg.Log.Warn("where endpoints come from is not kept", "err", err)
		}
	})
}

// wearies reports whether so much fails where conn comes from that it is turned away.
func (s *Server) wearies(conn *quic.Conn) bool {
	from := originOf(conn.RemoteAddr())
	return s.gate.wait(from) > 0 || s.box.Wait(from.network) > 0
}

// A protocolError is the fault of the other side, and closes the connection.
type protocolError struct {
	code quic.ApplicationErrorCode
	err  error
}

func (e *protocolError) Error() string { return e.err.Error() }
func (e *protocolError) Unwrap() error { return e.err }

func invalid(format string, args ...any) error {
	return &protocolError{wire.CodeInvalid, fmt.Errorf(format, args...)}
}

// control accepts the control stream and reads its first message.
func control(conn *quic.Conn, first *wire.FromAgent) (*quic.Stream, *wire.Reader, error) {
	ctx, cancel := context.WithTimeoutCause(conn.Context(), wire.HelloTimeout, errors.New("no hello in time"))
	defer cancel()
	stream, err := conn.AcceptStream(ctx)
	if err != nil {
		return nil, nil, invalid("accept control stream: %w", err)
	}
	deadline, _ := ctx.Deadline() // one for the stream and for what is said on it
	if err := stream.SetReadDeadline(deadline); err != nil {
		return nil, nil, err
	}
	r := wire.NewReader(stream)
	if err := r.Read(first); err != nil {
		return nil, nil, invalid("read hello: %w", err)
	}
	return stream, r, stream.SetReadDeadline(time.Time{})
}
