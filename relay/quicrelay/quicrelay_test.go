package quicrelay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"go.uber.org/goleak"

	"github.com/caisey/caisey/agent"
	"github.com/caisey/caisey/relay"
	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type records struct{ *sqlitefile.Dir }

func (records) List() ([]relay.RecordName, error) { return nil, nil }

// A station is a relay that listens on loopback, with an admin's console.
type station struct {
	t        *testing.T
	identity *wire.Identity
	fleet    *fleet.Catalogue
	relay    *relay.Relay
	server   *Server
	addr     string
	root     console.Backend
}

func newStation(t *testing.T) *station { return newStationWith(t, 0, Config{}) }

// newStationWith returns one that keeps at most limit bytes of a step's output, with
// the Penalty and the Resume of cfg.
func newStationWith(t *testing.T, limit int64, cfg Config) *station {
	t.Helper()
	s := &station{t: t}
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.identity, err = wire.NewIdentity()
	must(err)
	s.fleet, err = fleet.Open(t.Context(), logtest.NewMemory(), fleet.Config{})
	must(err)
	must(s.fleet.AddTechnician(t.Context(), sessionlog.Relay, console.AddTechnician{
		Name: "root", Role: console.RoleAdmin,
		Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE0qm2iZP0y5pDk8bXn3rTzV8cGmB6h2sQ1oJ4wXkYtN root",
	}))
	dir, err := sqlitefile.OpenDir(t.TempDir(), sqlitefile.Config{})
	must(err)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(err)
	s.addr = conn.LocalAddr().String()
	quiet := slog.New(slog.DiscardHandler)
	s.relay, err = relay.New(t.Context(), relay.Config{
		Fleet: s.fleet, Records: records{dir}, Log: quiet, OutputLimit: limit,
		Mint: func() (string, [32]byte) {
			token := wire.NewToken(s.identity.Public(), s.addr)
			return token.String(), token.Hash()
		},
	})
	must(err)
	cfg.Relay, cfg.Fleet, cfg.Identity, cfg.Conn, cfg.Log = s.relay, s.fleet, s.identity, conn, quiet
	s.server, err = Serve(cfg)
	must(err)
	t.Cleanup(func() {
		must(s.server.Close())
		s.relay.Close()
		must(dir.Close())
	})
	s.root = s.relay.Console(console.Self{Name: "root"})
	return s
}

// token makes an enrolment token.
func (s *station) token() string {
	s.t.Helper()
	rec, err := s.root.Do(s.t.Context(), console.NewToken{Client: "acme"})
	if err != nil {
		s.t.Fatal(err)
	}
	return rec.Token
}

// agent enrols an endpoint and runs its agent until the test ends.
func (s *station) agent(name string) console.Endpoint {
	s.t.Helper()
	return s.agentIn(s.t.TempDir(), name)
}

// agentIn is agent, with a data directory.
func (s *station) agentIn(data, name string) console.Endpoint {
	s.t.Helper()
	cfg := agent.Config{Data: data, Name: name}
	if _, err := agent.Enroll(s.t.Context(), s.token(), cfg); err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx, cfg) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("agent: %v", err)
		}
	})
	return s.awaitEndpoint(name, func(e console.Endpoint) bool { return e.Online })
}

func (s *station) awaitEndpoint(name string, ok func(console.Endpoint) bool) console.Endpoint {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	roster, err := s.root.Directory(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	defer roster.Close()
	for {
		changes, err := roster.Next(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range changes.Endpoints {
			if e.Name == name && ok(e) {
				return e
			}
		}
	}
}

// run runs a command and returns its stdout and end.
func (s *station) run(ep console.Endpoint, command string) (string, sessionlog.Ended) {
	s.t.Helper()
	ctx := s.t.Context()
	opened, err := s.root.Do(ctx, console.Open{Endpoint: ep.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	step := sessionlog.NewStepID()
	asked, err := s.root.Do(ctx, console.Run{Session: opened.Session, Step: step, Command: command, Timeout: time.Minute})
	if err != nil {
		s.t.Fatal(err)
	}
	feed, err := s.root.Watch(ctx, opened.Session, asked.Seq)
	if err != nil {
		s.t.Fatal(err)
	}
	defer feed.Close()
	var out bytes.Buffer
	for {
		evs, err := feed.Next(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, ev := range evs {
			if ev.Step == step && ev.Chunk != nil && ev.Chunk.Stream == sessionlog.Stdout {
				out.Write(ev.Chunk.Data)
			}
			if ev.Step == step && ev.Kind == sessionlog.StepEnded {
				var e sessionlog.Ended
				if err := ev.Decode(&e); err != nil {
					s.t.Fatal(err)
				}
				return out.String(), e
			}
		}
	}
}

func TestCommandOverQUIC(t *testing.T) {
	s := newStation(t)
	ep := s.agent("db01")
	out, e := s.run(ep, "echo hello; echo $CAISEY_TECHNICIAN; exit 3")
	if out != "hello\nroot\n" || e.State != sessionlog.Failed || e.Exit != 3 {
		t.Errorf("got %q, %+v", out, e)
	}
	if out, e := s.run(ep, "seq 200000 | md5sum"); e.State != sessionlog.OK || !strings.HasSuffix(out, "-\n") {
		t.Errorf("got %q, %+v", out, e)
	}
}

func TestBigOutputOverQUIC(t *testing.T) {
	s := newStation(t)
	ep := s.agent("db01")
	out, e := s.run(ep, "seq 1000000")
	if len(out) != 6888896 || !strings.HasSuffix(out, "\n999999\n1000000\n") || e.State != sessionlog.OK {
		t.Errorf("got %d bytes, %+v", len(out), e)
	}
}

func TestClockOffsetIsTold(t *testing.T) {
	s := newStation(t)
	s.agent("db01")
	s.awaitEndpoint("db01", func(e console.Endpoint) bool { return e.ClockOffset != 0 })
}

func TestNewerConnectionTakesOver(t *testing.T) {
	s := newStation(t)
	id, _ := s.enrolled("db01")
	first, _ := s.hello(id, &wire.Hello{})
	s.awaitEndpoint("db01", func(e console.Endpoint) bool { return e.Online })
	s.hello(id, &wire.Hello{})
	<-first.Context().Done()
	var closed *quic.ApplicationError
	if err := context.Cause(first.Context()); !errors.As(err, &closed) || closed.ErrorCode != wire.CodeReplaced {
		t.Errorf("the older connection ended with %v", err)
	}
	s.awaitEndpoint("db01", func(e console.Endpoint) bool { return e.Online })
}

// enrolled makes an identity and enrols it without an agent.
func (s *station) enrolled(name string) (*wire.Identity, fleet.Endpoint) {
	s.t.Helper()
	id, err := wire.NewIdentity()
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := wire.ParseToken(s.token())
	if err != nil {
		s.t.Fatal(err)
	}
	ep, err := s.fleet.Redeem(s.t.Context(), fleet.Redemption{Hash: token.Hash(), Key: id.Public(), Name: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return id, ep
}

func (s *station) dial(id *wire.Identity, proto string) (*quic.Conn, error) {
	conn, err := quic.DialAddr(s.t.Context(), s.addr, id.DialTLS(proto, s.identity.Public()), wire.Config())
	if err == nil {
		s.t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	}
	return conn, err
}

// hello connects and sends a hello; it returns the answer, or why there is none.
func (s *station) hello(id *wire.Identity, h *wire.Hello) (*quic.Conn, error) {
	s.t.Helper()
	b, err := wire.Append(nil, &wire.FromAgent{Message: &wire.FromAgent_Hello{Hello: h}})
	if err != nil {
		s.t.Fatal(err)
	}
	conn, answer, err := s.say(id, wire.ProtoAgent, b)
	if err == nil && answer.GetWelcome() == nil {
		err = errors.New("no welcome")
	}
	return conn, err
}

// say connects, sends bytes on the control stream, and reads one answer.
func (s *station) say(id *wire.Identity, proto string, b []byte) (*quic.Conn, *wire.ToAgent, error) {
	s.t.Helper()
	conn, err := s.dial(id, proto)
	if err != nil {
		return nil, nil, err
	}
	stream, err := conn.OpenStreamSync(s.t.Context())
	if err != nil {
		return conn, nil, err
	}
	if _, err := stream.Write(b); err != nil {
		return conn, nil, err
	}
	var answer wire.ToAgent
	return conn, &answer, wire.NewReader(stream).Read(&answer)
}

func TestStrangersAndGarbage(t *testing.T) {
	s := newStation(t)
	stranger, err := wire.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.hello(stranger, &wire.Hello{}); err == nil {
		t.Error("a key that is not enrolled was welcomed")
	}
	id, _ := s.enrolled("db01")
	huge := append([]byte{0xff, 0xff, 0xff, 0x7f}, make([]byte, 1024)...)
	for name, b := range map[string][]byte{
		"garbage": []byte("GET / HTTP/1.1\r\n\r\n"), "huge frame": huge, "empty": {0},
	} {
		_, answer, err := s.say(id, wire.ProtoAgent, b)
		if err == nil && answer.GetRefused() == nil {
			t.Errorf("%s: answered %v", name, answer)
		}
	}
	steps := make([]string, wire.MaxSteps+1)
	for i := range steps {
		steps[i] = string(sessionlog.NewStepID())
	}
	if _, err := s.hello(id, &wire.Hello{Steps: steps}); err == nil {
		t.Error("a hello with too many steps was welcomed")
	}
	if _, err := s.hello(id, &wire.Hello{Steps: []string{"../../etc"}}); err == nil {
		t.Error("a hello with a step that is no id was welcomed")
	}
	if _, err := s.dial(id, "caisey-agent/2"); err == nil {
		t.Error("another major version got past the handshake")
	}
	other, err := wire.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, err = quic.DialAddr(t.Context(), s.addr, id.DialTLS(wire.ProtoAgent, other.Public()), wire.Config())
	if err == nil || !strings.Contains(err.Error(), wire.ErrWrongRelay.Error()) {
		t.Errorf("dialing with another relay's key: %v", err)
	}
	// After all that, those who belong get in.
	if _, err := s.hello(id, &wire.Hello{}); err != nil {
		t.Errorf("an enrolled agent: %v", err)
	}
}

func TestSilentConnectionIsClosed(t *testing.T) {
	s := newStation(t)
	id, _ := s.enrolled("db01")
	conn, err := s.dial(id, wire.ProtoAgent)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	<-conn.Context().Done()
	if took := time.Since(begun); took < wire.HelloTimeout/2 || took > 2*wire.HelloTimeout {
		t.Errorf("a connection that says nothing was closed after %v", took)
	}
}

func TestUnknownControlMessageIsRefusedNotFatal(t *testing.T) {
	s := newStation(t)
	id, _ := s.enrolled("db01")
	conn, err := s.dial(id, wire.ProtoAgent)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := conn.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := wire.NewReader(stream)
	exchange := func(m []byte) *wire.ToAgent {
		t.Helper()
		if _, err := stream.Write(m); err != nil {
			t.Fatal(err)
		}
		var answer wire.ToAgent
		if err := r.Read(&answer); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return &answer
	}
	hello, err := wire.Append(nil, &wire.FromAgent{Message: &wire.FromAgent_Hello{Hello: &wire.Hello{}}})
	if err != nil {
		t.Fatal(err)
	}
	if exchange(hello).GetWelcome() == nil {
		t.Fatal("no welcome")
	}
	if a := exchange([]byte{3, 0xfa, 0x3f, 0}); a.GetRefused().GetCode() != wire.Refused_CODE_UNSUPPORTED {
		t.Errorf("a message of the future was answered %v", a)
	}
	beat, err := wire.Append(nil, &wire.FromAgent{Message: &wire.FromAgent_Heartbeat{Heartbeat: &wire.Heartbeat{AgentTime: 7}}})
	if err != nil {
		t.Fatal(err)
	}
	if a := exchange(beat); a.GetHeartbeat().GetAgentTime() != 7 || len(a.GetHeartbeat().GetPadding()) < wire.HeartbeatPadding {
		t.Errorf("a heartbeat was answered %v", a)
	}
}
