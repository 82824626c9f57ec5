package agent

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"google.golang.org/protobuf/proto"

	"github.com/caisey/caisey/relay/wire"
)

// A stubRelay is as much of a relay as an agent can see: it speaks the protocol
// over QUIC and records nothing.
type stubRelay struct {
	t         testing.TB
	identity  *wire.Identity
	transport *quic.Transport
	listener  *quic.Listener
	conns     chan *stubConn // welcome agents
	patience  time.Duration  // with agents that do not come

	mu      sync.Mutex
	admit   func(ed25519.PublicKey) error
	enroll  func(*wire.Enroll) *wire.ToAgent
	refuse  *wire.Refused // answers a Hello, if set
	mute    bool          // answers no heartbeats
	skew    time.Duration // of the relay's clock
	beats   chan *wire.Heartbeat
	serving sync.WaitGroup
}

// A stubConn is one agent's connection.
type stubConn struct {
	relay  *stubRelay
	conn   *quic.Conn
	hello  *wire.Hello
	ctl    *quic.Stream
	drains chan *wire.Drain
	told   chan []string // the effects of each later hello
}

// newStub returns a relay on loopback.
func newStub(t testing.TB) *stubRelay {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return newStubOn(t, socket)
}

func newStubOn(t testing.TB, socket net.PacketConn) *stubRelay {
	t.Helper()
	identity, err := wire.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	r := &stubRelay{
		t: t, identity: identity, patience: 30 * time.Second, conns: make(chan *stubConn, 16), beats: make(chan *wire.Heartbeat, 1024),
		transport: &quic.Transport{Conn: socket, ConnectionIDLength: 8},
		admit:     func(ed25519.PublicKey) error { return nil },
	}
	admit := func(_ string, key ed25519.PublicKey) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.admit(key)
	}
	r.listener, err = r.transport.Listen(identity.ListenTLS(admit, wire.ProtoAgent, wire.ProtoEnroll), wire.Config())
	if err != nil {
		t.Fatal(err)
	}
	r.serving.Go(r.accept)
	t.Cleanup(func() {
		_ = r.listener.Close()
		_ = r.transport.Close()
		_ = socket.Close()
		r.serving.Wait()
	})
	return r
}

func (r *stubRelay) addr() string { return r.transport.Conn.LocalAddr().String() }

func (r *stubRelay) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *stubRelay) accept() {
	for {
		conn, err := r.listener.Accept(context.Background())
		if err != nil {
			return
		}
		r.serving.Go(func() { r.serve(conn) })
	}
}

// serve answers what comes on the control stream.
func (r *stubRelay) serve(conn *quic.Conn) {
	ctl, err := conn.AcceptStream(conn.Context())
	if err != nil {
		return
	}
	frames := wire.NewReader(ctl)
	c := &stubConn{relay: r, conn: conn, ctl: ctl, drains: make(chan *wire.Drain, 1), told: make(chan []string, 16)}
	for {
		m := &wire.FromAgent{}
		if err := frames.Read(m); err != nil {
			return
		}
		var answer *wire.ToAgent
		switch m := m.GetMessage().(type) {
		case *wire.FromAgent_Enroll:
			r.mu.Lock()
			answer = r.enroll(m.Enroll)
			r.mu.Unlock()
		case *wire.FromAgent_Hello:
			if c.hello != nil {
				c.told <- m.Hello.GetEffects()
				continue
			}
			answer = r.greet(c, m.Hello)
		case *wire.FromAgent_Heartbeat:
			answer = r.beat(m.Heartbeat)
		case *wire.FromAgent_Drain:
			c.drains <- m.Drain
		}
		if answer != nil && wire.Write(ctl, answer) != nil {
			return
		}
		if answer.GetWelcome() != nil {
			r.conns <- c
		}
	}
}

func (r *stubRelay) greet(c *stubConn, hello *wire.Hello) *wire.ToAgent {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return &wire.ToAgent{Message: &wire.ToAgent_Refused{Refused: r.refuse}}
	}
	c.hello = hello
	return &wire.ToAgent{Message: &wire.ToAgent_Welcome{Welcome: &wire.Welcome{Name: "n", Client: "c"}}}
}

func (r *stubRelay) beat(h *wire.Heartbeat) *wire.ToAgent {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.beats <- proto.Clone(h).(*wire.Heartbeat)
	if r.mute {
		return nil
	}
	h.RelayTime = time.Now().Add(r.skew).UnixNano()
	return &wire.ToAgent{Message: &wire.ToAgent_Heartbeat{Heartbeat: h}}
}

// agent waits for an agent to be welcome.
func (r *stubRelay) agent() *stubConn {
	r.t.Helper()
	select {
	case c := <-r.conns:
		return c
	case <-time.After(r.patience):
		r.t.Fatal("no agent came")
		return nil
	}
}

// A stubStep is the relay's side of a step's stream.
type stubStep struct {
	t      testing.TB
	stream *quic.Stream
	frames *wire.Reader
	out    [4]bytes.Buffer
	next   [4]int64
	gaps   [4][]*wire.Gap
	start  *wire.Started
}

func (c *stubConn) open(first *wire.ToStep) *stubStep {
	c.relay.t.Helper()
	stream, err := c.conn.OpenStreamSync(c.conn.Context())
	if err != nil {
		c.relay.t.Fatal(err)
	}
	s := &stubStep{t: c.relay.t, stream: stream, frames: wire.NewReader(stream)}
	s.say(first)
	return s
}

func (c *stubConn) start(id, command string) *stubStep {
	c.relay.t.Helper()
	return c.open(startOf(&wire.Start{Step: id, Command: command, Session: "s", Technician: "ana"}))
}

// startOf returns m as the order that it is; a shell command, if it does not say.
func startOf(m *wire.Start) *wire.ToStep {
	if m.Effect == "" {
		m.Effect = "shell"
	}
	digest := order(m).Digest()
	m.Digest = digest[:]
	return &wire.ToStep{Message: &wire.ToStep_Start{Start: m}}
}

// resume goes on where another stream of the step stood.
func (c *stubConn) resume(id string, at *stubStep) *stubStep {
	c.relay.t.Helper()
	m := &wire.Resume{Step: id}
	var next [4]int64
	if at != nil {
		next = at.next
		for _, stream := range []wire.Stream{1, 2, 3} {
			if next[stream] > 0 {
				m.Acked = append(m.Acked, &wire.Ack{Stream: stream, Offset: next[stream]})
			}
		}
	}
	s := c.open(&wire.ToStep{Message: &wire.ToStep_Resume{Resume: m}})
	s.next = next
	if at != nil {
		for i := range s.out {
			s.out[i].Write(at.out[i].Bytes())
			s.gaps[i] = at.gaps[i]
		}
	}
	return s
}

func (s *stubStep) say(m *wire.ToStep) {
	s.t.Helper()
	if err := wire.Write(s.stream, m); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stubStep) ack() {
	s.t.Helper()
	for _, stream := range []wire.Stream{1, 2, 3} {
		if off := s.next[stream]; off > 0 {
			s.say(&wire.ToStep{Message: &wire.ToStep_Ack{Ack: &wire.Ack{Stream: stream, Offset: off}}})
		}
	}
}

// read reads the next message and checks what must hold of each.
func (s *stubStep) read() (*wire.FromStep, error) {
	s.t.Helper()
	_ = s.stream.SetReadDeadline(time.Now().Add(30 * time.Second))
	m := &wire.FromStep{}
	if err := s.frames.Read(m); err != nil {
		return nil, err
	}
	if out := m.GetOutput(); out != nil {
		if len(out.GetData()) > wire.MaxOutput {
			s.t.Fatalf("output of %d bytes", len(out.GetData()))
		}
		if out.GetOffset() != s.next[out.GetStream()] {
			s.t.Fatalf("stream %d: output at %d, not %d", out.GetStream(), out.GetOffset(), s.next[out.GetStream()])
		}
		s.next[out.GetStream()] += int64(len(out.GetData()))
		s.out[out.GetStream()].Write(out.GetData())
	}
	if gap := m.GetGap(); gap != nil {
		if gap.GetOffset() != s.next[gap.GetStream()] || gap.GetBytes() <= 0 {
			s.t.Fatalf("gap %v at %d", gap, s.next[gap.GetStream()])
		}
		s.next[gap.GetStream()] += gap.GetBytes()
		s.gaps[gap.GetStream()] = append(s.gaps[gap.GetStream()], gap)
	}
	if m.GetStarted() != nil {
		s.start = m.GetStarted()
	}
	return m, nil
}

// exit reads up to the end and checks it against the output.
func (s *stubStep) exit() *wire.Exit {
	s.t.Helper()
	for {
		m, err := s.read()
		if err != nil {
			s.t.Fatal(err)
		}
		if r := m.GetRefused(); r != nil {
			s.t.Fatalf("refused: %v", r)
		}
		exit := m.GetExit()
		if exit == nil {
			continue
		}
		for _, total := range exit.GetTotals() {
			sum := sha256.Sum256(s.out[total.GetStream()].Bytes())
			whole := len(s.gaps[total.GetStream()]) == 0
			if total.GetBytes() != s.next[total.GetStream()] || whole && !bytes.Equal(total.GetSha256(), sum[:]) {
				s.t.Fatalf("stream %d: total %v does not fit the output", total.GetStream(), total)
			}
		}
		return exit
	}
}

// done records the end, and waits for the agent to close the stream.
func (s *stubStep) done() {
	s.t.Helper()
	s.say(&wire.ToStep{Message: &wire.ToStep_Done{Done: &wire.Done{}}})
	if m, err := s.read(); !errors.Is(err, io.EOF) {
		s.t.Fatalf("after done: %v, %v", m, err)
	}
	_ = s.stream.Close()
}

// refused reads a refusal.
func (s *stubStep) refused() *wire.Refused {
	s.t.Helper()
	for {
		m, err := s.read()
		if err != nil {
			s.t.Fatal(err)
		}
		if r := m.GetRefused(); r != nil {
			return r
		}
	}
}
