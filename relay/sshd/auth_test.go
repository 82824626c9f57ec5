package sshd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestOnlyProvedKeysOfPeopleComeIn(t *testing.T) {
	h := open(t, nil)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := ssh.NewSignerFromKey(p256)
	h.letIn("eve", other.PublicKey()) // let in by name, but of a type that is not taken
	ask := func(string, string, []string, []bool) ([]string, error) { return []string{"secret"}, nil }
	for name, auth := range map[string]ssh.AuthMethod{
		"unknown key":          ssh.PublicKeys(h.person("")),
		"other type":           ssh.PublicKeys(other),
		"password":             ssh.Password("secret"),
		"keyboard-interactive": ssh.KeyboardInteractive(ask),
	} {
		if c, err := h.dial(auth); err == nil {
			c.Close()
			t.Errorf("%s came in", name)
		} else if !strings.Contains(err.Error(), "unable to authenticate") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := h.dial(); err == nil {
		c.Close()
		t.Error("nobody came in")
	}
	c := h.client("ana")
	if v := string(c.ServerVersion()); v != "SSH-2.0-Caisey_1.2_test" {
		t.Errorf("the server calls itself %q", v)
	}
}

// A key that is only offered must not become the identity (soft-serve
// CVE-2026-24058).
func TestOfferedKeyIsNobody(t *testing.T) {
	h := open(t, nil)
	dir := shortDir(t)
	admin, mallory := h.keyFile(dir, "admin"), h.keyFile(dir, "mallory")
	// The client would find the private key beside the public one.
	moved := filepath.Join(t.TempDir(), "admin.pub")
	copyFile(t, admin+".pub", moved)
	cmd := h.openSSH(t.TempDir(), "-i", moved, "-i", mallory, "127.0.0.1", "run", "db01", "--", "id")
	var errs strings.Builder
	cmd.Stderr = &errs
	got, err := cmd.Output()
	if err != nil || string(got) != "account mallory\n" {
		t.Errorf("got %q, %v, %s", got, err, &errs)
	}
}

func TestDisabledKeyIsTold(t *testing.T) {
	h := open(t, nil)
	sess, err := h.client("gone").NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := sess.CombinedOutput("ls")
	if exitCode(err) != 3 || string(out) != "caisey: this key was disabled; ask an admin\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// Connections that do not log in are few, and do not stay.
func TestSilentConnections(t *testing.T) {
	h := open(t, func(c *Config) { c.HandshakeTimeout, c.MaxPendingPerAddr = 700*time.Millisecond, 3 })
	dial := func() net.Conn {
		c, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	greeted := func(c net.Conn) bool {
		b := make([]byte, 4)
		_, err := io.ReadFull(c, b)
		return err == nil && string(b) == "SSH-"
	}
	var held []net.Conn
	for range 3 {
		c := dial()
		if !greeted(c) {
			t.Fatal("a connection within the limit was refused")
		}
		held = append(held, c)
	}
	if greeted(dial()) {
		t.Error("a fourth silent connection was taken")
	}
	for _, c := range held {
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("a silent connection was not closed: %v", err)
		}
	}
	// Who has logged in does not count any more.
	for range 5 {
		h.client("ana")
	}
	if !greeted(dial()) {
		t.Error("connections that logged in still count as silent")
	}
}

func TestPendingTotal(t *testing.T) {
	cs := newConnections(Config{MaxPending: 2}.withDefaults())
	var held []*countedConn
	for range 2 {
		a, b := net.Pipe()
		defer b.Close()
		held = append(held, cs.admit(a))
	}
	a, b := net.Pipe()
	defer b.Close()
	if cs.admit(a) != nil {
		t.Error("a third was admitted")
	}
	held[0].proved(nil, time.Time{})
	held[0].proved(nil, time.Time{}) // twice is once
	if cs.total != 1 || cs.admit(a) == nil {
		t.Error("no room after a login")
	}
	for _, c := range held {
		c.Close()
	}
	if cs.total != 1 || len(cs.all) != 1 {
		t.Errorf("%d pending of %d, want 1 of 1", cs.total, len(cs.all))
	}
	cs.closeAll()
	if cs.total != 0 || len(cs.all) != 0 || len(cs.pending) != 0 {
		t.Errorf("%d pending of %d after closing all", cs.total, len(cs.all))
	}
}

// Whoever loses their access is cut off at once: the interface ends with the
// terminal restored, a command with exit code 3, and the connection with both.
func TestAccessTakenAway(t *testing.T) {
	h := open(t, nil)
	ana, bo := h.client("ana"), h.client("bo")
	shown := h.screen(ana, "", 90, 20)
	shown.out.wait(t, "[ana 90x20")
	runs := h.screen(bo, "run acme/db01 -- block", 90, 20)
	runs.out.wait(t, "account bo")
	close(h.cut)
	for name, s := range map[string]*screen{"interface": shown, "verb": runs} {
		if code := s.code(); code != 3 || !strings.Contains(s.out.String()+s.err.String(), "your access was taken away") {
			t.Errorf("%s: exit %d, %q %q", name, code, s.out, s.err)
		}
	}
	if !strings.Contains(shown.out.String(), leaveAltScreen) {
		t.Error("the terminal was not restored")
	}
	for name, c := range map[string]*ssh.Client{"ana": ana, "bo": bo} {
		if err := c.Wait(); err == nil {
			continue
		}
		if _, err := c.NewSession(); err == nil {
			t.Errorf("the connection of %s is still there", name)
		}
	}
}
