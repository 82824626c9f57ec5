package sshd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingButSessions(t *testing.T) {
	h := open(t, nil)
	c := h.client("ana")
	if conn, err := c.Dial("tcp", h.addr); err == nil {
		conn.Close()
		t.Error("direct-tcpip was allowed")
	}
	if l, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
		t.Error("tcpip-forward was allowed")
	}
	if l, err := c.ListenUnix(shortDir(t) + "/s"); err == nil {
		l.Close()
		t.Error("streamlocal-forward was allowed")
	}
	for _, kind := range []string{"x11", "auth-agent@openssh.com", "direct-streamlocal@openssh.com", "tun@openssh.com"} {
		if ch, _, err := c.OpenChannel(kind, nil); err == nil {
			ch.Close()
			t.Errorf("a channel of type %s was opened", kind)
		}
	}
	sess, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	for _, kind := range []string{"auth-agent-req@openssh.com", "x11-req", "break", "eow@openssh.com", "nonsense"} {
		if ok, _ := sess.SendRequest(kind, true, nil); ok {
			t.Errorf("request %s was granted", kind)
		}
	}
	if sess.RequestSubsystem("sftp") == nil {
		t.Error("the subsystem sftp was started")
	}
	out, err := sess.CombinedOutput("version") // after all that the session still works
	if err != nil || string(out) != "caisey 1.2-test\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestSecondCommandIsRefused(t *testing.T) {
	h := open(t, nil)
	s := h.screen(h.client("ana"), "run db01 -- block", 80, 24)
	s.out.wait(t, "account ana")
	if ok, _ := s.SendRequest("exec", true, ssh.Marshal(struct{ C string }{"ls"})); ok {
		t.Error("a second command was granted in the same session")
	}
	s.Close()
}

func TestEnvironmentIsLimited(t *testing.T) {
	h := open(t, nil)
	sess, err := h.client("ana").NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	big := strings.Repeat("x", 30<<10)
	taken := 0
	for i := range 2000 {
		if sess.Setenv(fmt.Sprintf("LC_%d", i), big) == nil {
			t.Fatal("a value of 30 kB was taken")
		}
		if sess.Setenv(fmt.Sprintf("LC_%d", i), "C.UTF-8") == nil {
			taken++
		}
	}
	if taken != maxEnv {
		t.Errorf("%d variables were taken, want %d", taken, maxEnv)
	}
	var e environ
	for name, want := range map[string]bool{
		"LANG": true, "LC_ALL": true, "NO_COLOR": true, "COLORTERM": true, "TERM": true,
		"LD_PRELOAD": false, "PATH": false, "SSH_TTY": false, "TEA_DEBUG": false, "LC_\x1b": false, "": false,
	} {
		if got := e.take(ssh.Marshal(struct{ N, V string }{name, "1"})); got != want {
			t.Errorf("%q taken: %v", name, got)
		}
	}
	if e.take(ssh.Marshal(struct{ N, V string }{"LANG", "\x1b[2J"})) || e.take([]byte{0, 0}) {
		t.Error("a control character or a broken request was taken")
	}
}

func TestSessionsPerConnection(t *testing.T) {
	h := open(t, func(c *Config) { c.MaxSessionsPerConn = 2 })
	c := h.client("ana")
	a := h.screen(c, "run db01 -- block", 80, 24)
	b := h.screen(c, "", 80, 24)
	if s, err := c.NewSession(); err == nil {
		s.Close()
		t.Error("a third session was opened")
	}
	a.out.wait(t, "account ana")
	b.out.wait(t, "[ana 80x24")
	io.WriteString(b.in, "q")
	if code := b.code(); code != 0 {
		t.Errorf("exit %d", code)
	}
	// The place is free once the server has seen that the client closed it, too.
	var out []byte
	for end := time.Now().Add(10 * time.Second); len(out) == 0; {
		s, err := c.NewSession()
		if err == nil {
			out, err = s.Output("version")
		}
		if err != nil && time.Now().After(end) {
			t.Fatalf("no room after one was closed: %v", err)
		}
	}
}
