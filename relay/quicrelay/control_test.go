package quicrelay

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/wire"
)

// A speaker is an agent by hand: its control stream, after the welcome.
type speaker struct {
	t      *testing.T
	conn   *quic.Conn
	stream *quic.Stream
	r      *wire.Reader
	given  []byte
}

func (s *station) speaker(id *wire.Identity, resume []byte) *speaker {
	s.t.Helper()
	conn, err := s.dial(id, wire.ProtoAgent)
	if err != nil {
		s.t.Fatal(err)
	}
	stream, err := conn.OpenStreamSync(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	_ = stream.SetDeadline(time.Now().Add(20 * time.Second))
	sp := &speaker{t: s.t, conn: conn, stream: stream, r: wire.NewReader(stream)}
	sp.say(&wire.FromAgent{Message: &wire.FromAgent_Hello{Hello: &wire.Hello{Resume: resume}}})
	if sp.given = sp.read().GetWelcome().GetResume(); len(sp.given) != resumeSize {
		s.t.Fatalf("welcome gives %x", sp.given)
	}
	return sp
}

func (sp *speaker) say(m *wire.FromAgent) {
	sp.t.Helper()
	if err := wire.Write(sp.stream, m); err != nil {
		sp.t.Fatal(err)
	}
}

func (sp *speaker) kept(it []byte) {
	sp.t.Helper()
	sp.say(&wire.FromAgent{Message: &wire.FromAgent_Kept{Kept: &wire.Kept{Resume: it}}})
}

func (sp *speaker) read() *wire.ToAgent {
	sp.t.Helper()
	m := &wire.ToAgent{}
	if err := sp.r.Read(m); err != nil {
		sp.t.Fatal(err)
	}
	return m
}

// beat says a heartbeat and reads the answer to it: all that was said before is done.
func (sp *speaker) beat() {
	sp.t.Helper()
	sp.say(&wire.FromAgent{Message: &wire.FromAgent_Heartbeat{Heartbeat: &wire.Heartbeat{AgentTime: 7}}})
	if a := sp.read(); a.GetHeartbeat().GetAgentTime() != 7 {
		sp.t.Fatalf("a heartbeat was answered %v", a)
	}
}

// An agent may say as much at once as agents do. One that goes on is sent away, and
// is told why.
func TestControlMessagesAreLimited(t *testing.T) {
	for name, m := range map[string]*wire.FromAgent{
		"heartbeats": {Message: &wire.FromAgent_Heartbeat{Heartbeat: &wire.Heartbeat{}}},
		"hellos":     {Message: &wire.FromAgent_Hello{Hello: &wire.Hello{Effects: []string{"read"}}}},
		"drains":     {Message: &wire.FromAgent_Drain{Drain: &wire.Drain{}}},
		"kept":       {Message: &wire.FromAgent_Kept{Kept: &wire.Kept{Resume: []byte("no")}}},
		"nonsense":   {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			id, _ := s.enrolled("db01")
			sp := s.speaker(id, nil)
			for range wire.ControlBurst - 1 {
				sp.say(m)
			}
			for sp.say(&wire.FromAgent{Message: &wire.FromAgent_Heartbeat{Heartbeat: &wire.Heartbeat{AgentTime: 7}}}); sp.read().GetHeartbeat().GetAgentTime() != 7; {
			}
			b, err := wire.Append(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			for range 1000 { // more than any pause of this process gives back
				if _, err := sp.stream.Write(b); err != nil {
					break
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			select {
			case <-sp.conn.Context().Done():
			case <-ctx.Done():
				t.Fatal("it may go on")
			}
			var closed *quic.ApplicationError
			if err := context.Cause(sp.conn.Context()); !errors.As(err, &closed) || closed.ErrorCode != wire.CodeInvalid || !strings.Contains(closed.ErrorMessage, "at most 4 things a second") {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
}

// What an agent has kept is what its connection's Welcome gave, and is written once.
func TestKeptIsWhatWasGiven(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "resume")
	s := newStationWith(t, 0, Config{Resume: dir})
	id, ep := s.enrolled("db01")
	first := s.speaker(id, nil)
	first.beat()             // the relay has it before the next
	sp := s.speaker(id, nil) // as if the first welcome had been lost
	file := filepath.Join(dir, string(ep.ID))
	ahead := append([]byte(nil), sp.given...)
	binary.BigEndian.PutUint64(ahead, 1<<60)
	for name, it := range map[string][]byte{"ahead": ahead, "nothing": nil, "of another connection": first.given, "long": make([]byte, 4096)} {
		sp.kept(it)
		if a := sp.read(); a.GetRefused().GetCode() != wire.Refused_CODE_INVALID {
			t.Errorf("kept what is %s: %v", name, a)
		}
		if _, err := os.Lstat(file); err == nil {
			t.Fatalf("kept what is %s: written all the same", name)
		}
	}
	sp.kept(sp.given)
	sp.beat()
	if b, err := os.ReadFile(file); err != nil || string(b) != string(sp.given) {
		t.Fatalf("%x, %v", b, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	sp.kept(sp.given)
	sp.beat()
	if _, err := os.Lstat(file); err == nil {
		t.Error("said again, it was written again")
	}
	if next := s.speaker(id, sp.given); number(next.given) != 2 {
		t.Errorf("who shows it gets number %d", number(next.given))
	}
	if s.told("endpoint.cloned") != 0 {
		t.Error("an honest agent was taken for a copy")
	}
}
