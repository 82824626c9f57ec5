package quicrelay

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
)

// An endpoint's own policy refuses what its relay allows: it is recorded with the
// line that refuses, and not counted among what was done.
func TestOwnPolicyIsRecorded(t *testing.T) {
	s := newStation(t)
	data := t.TempDir()
	file := filepath.Join(data, "policy")
	rule := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rule("read-only\n")
	ep := s.agentIn(data, "db01")
	if !ep.ReadOnly() || !slices.Equal(ep.Effects, []string{"read", "probe"}) {
		t.Errorf("the directory has %v", ep.Effects)
	}
	_, e := s.run(ep, "echo hello")
	want := sessionlog.Ended{State: sessionlog.Refused, Exit: -1, Why: "the endpoint's own policy, line 1: read-only"}
	if e.State != want.State || e.Exit != want.Exit || e.Why != want.Why {
		t.Errorf("%+v", e)
	}
	rule("never *mkfs*\n")
	if out, e := s.run(ep, "echo hello"); out != "hello\n" || e.State != sessionlog.OK {
		t.Errorf("%q, %+v", out, e)
	}
	if _, e := s.run(ep, "sudo MKFS /dev/sda"); e.Why != "the endpoint's own policy, line 1: never *mkfs*" {
		t.Errorf("%+v", e)
	}
	if got := s.close(ep); got != (sessionlog.Receipt{Shell: 1}) {
		t.Errorf("receipt: %s", got)
	}
}

// close closes the session on an endpoint and returns its receipt, as the verb does.
func (s *station) close(ep console.Endpoint) sessionlog.Receipt {
	s.t.Helper()
	opened, err := s.root.Do(s.t.Context(), console.Open{Endpoint: ep.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	rec, err := s.root.Look(s.t.Context(), opened.Session)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rec.Close()
	if _, err := s.root.Do(s.t.Context(), console.Close{Session: opened.Session}); err != nil {
		s.t.Fatal(err)
	}
	got, err := sessionlog.ReadReceipt(s.t.Context(), rec)
	if err != nil || !rec.Head().Sealed {
		s.t.Fatal(got, err, rec.Head())
	}
	return got
}

// What an agent says of its policy is taken at every hello, and only words that are
// known here.
func TestEffectsAreTakenAgain(t *testing.T) {
	s := newStation(t)
	id, _ := s.enrolled("db01")
	conn, err := s.dial(id, wire.ProtoAgent)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ say, want []string }{
		{nil, nil},
		{[]string{"change", "read", "read"}, []string{"read", "change"}},
		{[]string{"none"}, []string{"none"}},
		{[]string{"\x1b[2J", "everything"}, []string{"none"}},
		{[]string{"probe", "later"}, []string{"probe"}},
		{nil, nil},
	} {
		if err := wire.Write(stream, &wire.FromAgent{Message: &wire.FromAgent_Hello{Hello: &wire.Hello{Effects: c.say}}}); err != nil {
			t.Fatal(err)
		}
		ep := s.awaitEndpoint("db01", func(e console.Endpoint) bool { return e.Online && slices.Equal(e.Effects, c.want) })
		if want := c.want != nil && !slices.Contains(c.want, "change"); ep.ReadOnly() != want {
			t.Errorf("%v is read only: %t", ep.Effects, ep.ReadOnly())
		}
	}
}
