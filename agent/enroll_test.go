package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/wire"
)

func takes(e *wire.Enroll) *wire.ToAgent {
	return &wire.ToAgent{Message: &wire.ToAgent_Enrolled{Enrolled: &wire.Enrolled{
		Endpoint: "E1", Client: "acme", Name: e.GetName(),
	}}}
}

func TestEnroll(t *testing.T) {
	r := newStub(t)
	var key ed25519.PublicKey
	var got *wire.Enroll
	r.set(func() {
		r.admit = func(k ed25519.PublicKey) error {
			if key == nil { // of the enrolment; the agent comes later
				key = k
			}
			return nil
		}
		r.enroll = func(e *wire.Enroll) *wire.ToAgent { got = e; return takes(e) }
	})
	data := filepath.Join(t.TempDir(), "a", "data")
	token := wire.NewToken(r.identity.Public(), r.addr())
	e, err := Enroll(t.Context(), token.String(), Config{Data: data, Name: "db1", Version: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	if e.Endpoint != "E1" || e.Client != "acme" || e.Name != "db1" || e.Addr != r.addr() {
		t.Fatalf("%+v", e)
	}
	r.set(func() {}) // what the relay's goroutines wrote is seen from here on
	if string(got.GetSecret()) != string(token.Secret[:]) || got.GetMachine().GetVersion() != "1.2" {
		t.Fatalf("relay got %v", got)
	}
	id, err := wire.LoadIdentity(filepath.Join(data, "agent.key"))
	if err != nil || !id.Public().Equal(key) {
		t.Fatal("the key of the directory is not the one that was proved", err)
	}
	for file, want := range map[string]os.FileMode{"": 0o700, "agent.key": 0o600, "agent.json": 0o600} {
		info, err := os.Stat(filepath.Join(data, file))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v", file, info.Mode(), err)
		}
	}
	if _, err := Enroll(t.Context(), token.String(), Config{Data: data}); err == nil || !strings.Contains(err.Error(), "enrolled already") {
		t.Errorf("second time: %v", err)
	}
	runAgent(t, Config{Data: data})
	r.agent()
}

func TestEnrollErrors(t *testing.T) {
	r := newStub(t)
	other, err := wire.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	good := wire.NewToken(r.identity.Public(), r.addr())
	refusing := func(code wire.Refused_Code, why string) func() {
		return func() {
			r.enroll = func(*wire.Enroll) *wire.ToAgent {
				return &wire.ToAgent{Message: &wire.ToAgent_Refused{Refused: &wire.Refused{Code: code, Why: why}}}
			}
		}
	}
	for _, c := range []struct {
		name, token, want string
		set               func()
	}{
		{"no token", "hello", "not an enrolment token", nil},
		{
			"wrong relay", wire.NewToken(other.Public(), r.addr()).String(),
			"the relay at " + r.addr() + " has another key than the token says; get a new token from your relay", nil,
		},
		{"used token", good.String(), "does not take this token: used at noon", refusing(wire.Refused_CODE_TOKEN, "used at noon")},
		{"taken name", good.String(), `the name "db1" can not be had: it is taken`, refusing(wire.Refused_CODE_NAME, "it is taken")},
		{"busy", good.String(), "refused: not now", refusing(wire.Refused_CODE_BUSY, "not now")},
		{"silent", wire.NewToken(other.Public(), silent.LocalAddr().String()).String(), "does not answer", nil},
		{"mute", good.String(), "does not answer", func() {
			r.enroll = func(*wire.Enroll) *wire.ToAgent { return nil }
		}},
		{"not admitted", good.String(), "does not take this machine's key", func() {
			r.admit = func(ed25519.PublicKey) error { return errors.New("no") }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.set != nil {
				r.set(c.set)
			}
			data := filepath.Join(t.TempDir(), "data")
			_, err := Enroll(t.Context(), c.token, Config{Data: data, Name: "db1"})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v, not %q", err, c.want)
			}
			if exists(filepath.Join(data, "agent.json")) {
				t.Error("enrolled all the same")
			}
		})
	}
}

func TestEnrollNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := wire.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Enroll(t.Context(), wire.NewToken(id.Public(), "127.0.0.1:1").String(), Config{Data: filepath.Join(file, "data")})
	if err == nil || !strings.HasPrefix(err.Error(), "make data directory: ") {
		t.Fatal(err)
	}
}

func TestEnrollEnds(t *testing.T) {
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	id, err := wire.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = Enroll(ctx, wire.NewToken(id.Public(), silent.LocalAddr().String()).String(), Config{Data: t.TempDir()})
	if err == nil || time.Since(begin) > 3*time.Second {
		t.Fatal(err, time.Since(begin))
	}
}
