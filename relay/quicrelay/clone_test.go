package quicrelay

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
)

func newTestResumes(t *testing.T, dir string) *resumes {
	t.Helper()
	r, err := newResumes(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Whatever an honest agent and a relay lose, one agent alone is never taken for two.
func TestOneAgentIsNeverTwo(t *testing.T) {
	id := sessionlog.NewEndpointID()
	for name, dir := range map[string]string{"in memory": "", "on disk": filepath.Join(t.TempDir(), "resume")} {
		r := newTestResumes(t, dir)
		var onDisk []byte
		for i := range 500 {
			next, err := r.show(id, onDisk)
			if err != nil {
				t.Fatalf("%s, connection %d: %v", name, i, err)
			}
			switch i % 7 {
			case 0, 3: // the answer is lost, or the agent dies before it keeps it
			case 1, 4: // it keeps it, and dies before it says so
				onDisk = next
			case 5: // the relay starts again, with what it has
				onDisk, r = next, newTestResumes(t, dir)
			case 6: // the relay's disk lost what came last
				_ = os.Remove(filepath.Join(dir, string(id)))
				onDisk, r = next, newTestResumes(t, dir)
			default:
				onDisk = next
				r.kept(id, onDisk)
			}
		}
	}
}

// Two holders of one key are two as soon as the one comes back that was not last.
func TestTwoHoldersAreTwo(t *testing.T) {
	id := sessionlog.NewEndpointID()
	dir := filepath.Join(t.TempDir(), "resume")
	show := func(r *resumes, it []byte) []byte {
		t.Helper()
		next, err := r.show(id, it)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	r := newTestResumes(t, dir)
	first := show(r, nil)
	r.kept(id, first)
	copied := bytes.Clone(first)
	second := show(r, copied) // the copy is there once: nobody can tell
	r.kept(id, second)
	for name, it := range map[string][]byte{"the original": first, "one that shows nothing": nil} {
		if _, err := r.show(id, it); !errors.Is(err, errCloned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newTestResumes(t, dir).show(id, first); !errors.Is(err, errCloned) {
		t.Errorf("after a restart of the relay: %v", err)
	}
	r.forget(id)
	if _, err := newTestResumes(t, dir).show(id, first); err != nil {
		t.Errorf("after it was forgotten: %v", err)
	}
	// Nobody says what they kept: both go on from the same.
	r.forget(id)
	one := show(r, nil)
	other := show(r, nil)
	show(r, one)
	if _, err := r.show(id, other); !errors.Is(err, errCloned) {
		t.Errorf("the other of two that began with the same: %v", err)
	}
	for _, it := range [][]byte{[]byte("short"), make([]byte, resumeSize+1), one[:resumeSize-1]} {
		if _, err := r.show(id, it); !errors.Is(err, errCloned) {
			t.Errorf("what nobody was given: %v", err)
		}
	}
}

// A copied key puts both holders out until an admin has looked.
func TestClonedAgentIsQuarantined(t *testing.T) {
	s := newStation(t)
	id, ep := s.enrolled("db01")
	hello := func(shown []byte) (*quic.Conn, []byte, *wire.Refused) {
		t.Helper()
		b, err := wire.Append(nil, &wire.FromAgent{Message: &wire.FromAgent_Hello{Hello: &wire.Hello{Resume: shown}}})
		if err != nil {
			t.Fatal(err)
		}
		conn, answer, err := s.say(id, wire.ProtoAgent, b)
		if err != nil {
			t.Fatal(err)
		}
		return conn, answer.GetWelcome().GetResume(), answer.GetRefused()
	}
	_, first, _ := hello(nil)
	_, second, _ := hello(first)
	live, third, refused := hello(second)
	if len(third) != resumeSize || refused != nil {
		t.Fatalf("an honest agent: %v, %v", third, refused)
	}
	if _, _, refused = hello(first); refused.GetCode() != wire.Refused_CODE_DENIED || !strings.Contains(refused.GetWhy(), "endpoint clear") {
		t.Errorf("who shows what is old is answered %v", refused)
	}
	<-live.Context().Done()
	if _, _, refused = hello(third); refused.GetCode() != wire.Refused_CODE_DENIED {
		t.Errorf("who was there before is answered %v", refused)
	}
	s.awaitEndpoint("db01", func(e console.Endpoint) bool { return e.Quarantined && !e.Online })
	if n := s.told("endpoint.cloned"); n != 1 {
		t.Errorf("the fleet's log tells of it %d times", n)
	}
	clear := console.ClearEndpoint{Endpoint: ep.ID}
	if _, err := s.root.Do(t.Context(), clear); err != nil {
		t.Fatal(err)
	}
	if _, err := s.root.Do(t.Context(), clear); err == nil {
		t.Error("it can be cleared twice")
	}
	if _, _, refused = hello(third); refused != nil {
		t.Errorf("after it was cleared: %v", refused)
	}
	s.awaitEndpoint("db01", func(e console.Endpoint) bool { return !e.Quarantined && e.Online })
	if _, _, refused = hello(first); refused == nil {
		t.Error("after it was cleared, the copy comes in beside the other")
	}
}

// told counts the events of a kind in the fleet's log.
func (s *station) told(kind sessionlog.Kind) (n int) {
	s.t.Helper()
	evs, err := s.fleet.Log().Read(s.t.Context(), 1, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, ev := range evs {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}

// The agent of ours keeps what it is given, and comes back with it.
func TestAgentComesBackAsItself(t *testing.T) {
	s := newStation(t)
	ep := s.agent("db01")
	kept := func() uint64 {
		track := s.server.resumes.lock(ep.ID)
		defer track.mu.Unlock()
		return number(track.shown)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); kept() != 1; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("the agent kept number %d, want 1", kept())
		}
	}
	s.server.mu.Lock()
	for conn := range s.server.open {
		_ = conn.CloseWithError(wire.CodeBye, "test")
	}
	s.server.mu.Unlock()
	for end := time.Now().Add(10 * time.Second); kept() != 2; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("the agent came back and kept number %d, want 2", kept())
		}
	}
	if s.told("endpoint.cloned") != 0 {
		t.Error("an agent that came back was taken for a copy")
	}
}
