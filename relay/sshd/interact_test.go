package sshd

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

const leaveAltScreen = "\x1b[?1049l"

func TestInterface(t *testing.T) {
	h := open(t, nil)
	c := h.client("ana")
	s := h.screen(c, "", 90, 20)
	s.out.wait(t, "[ana 90x20 open= env=1 keys=]")
	if err := s.WindowChange(30, 100); err != nil {
		t.Fatal(err)
	}
	s.out.wait(t, "100x30")
	io.WriteString(s.in, "z") // suspending does nothing here
	io.WriteString(s.in, "q")
	if code := s.code(); code != 0 || !strings.Contains(s.out.String(), leaveAltScreen) || s.err.String() != "" {
		t.Errorf("exit %d, stderr %q, screen %q", code, s.err, s.out)
	}
}

func TestOpenShowsPanes(t *testing.T) {
	h := open(t, nil)
	s := h.screen(h.client("ana"), "open 'acme/*' db01", 90, 20)
	s.out.wait(t, "open=acme/*,db01")
	io.WriteString(s.in, "q")
	if code := s.code(); code != 0 {
		t.Errorf("exit %d", code)
	}
	s = h.screen(h.client("ana"), "open acme/none", 90, 20)
	if code := s.code(); code != 4 || !strings.Contains(s.out.String()+s.err.String(), "no endpoint matches") {
		t.Errorf("exit %d, %q %q", code, s.out, s.err)
	}
}

// A terminal may claim any size; it does not get it.
func TestHugeTerminal(t *testing.T) {
	h := open(t, nil)
	s := h.screen(h.client("ana"), "", 65535, 65535)
	s.out.wait(t, fmt.Sprintf("%dx%d", maxColumns, maxRows))
	for range 100 {
		_ = s.WindowChange(65535, 65535)
		_ = s.WindowChange(0, 0)
	}
	_ = s.WindowChange(1<<31, 1<<31)
	_ = s.WindowChange(7, 33)
	s.out.wait(t, "33x7")
	io.WriteString(s.in, "q")
	if code := s.code(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// What is typed ahead of the end must not keep anything alive: open checks that
// no goroutine is left.
func TestTypeAhead(t *testing.T) {
	h := open(t, nil)
	s := h.screen(h.client("ana"), "", 80, 24)
	s.out.wait(t, "[ana")
	io.WriteString(s.in, "q"+strings.Repeat("x", 20000))
	if code := s.code(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestPanicEndsOneSession(t *testing.T) {
	h := open(t, nil)
	c := h.client("ana")
	other := h.screen(c, "", 80, 24)
	other.out.wait(t, "[ana")
	for _, key := range []string{"p", "c"} {
		s := h.screen(c, "", 80, 24)
		s.out.wait(t, "[ana")
		io.WriteString(s.in, key)
		if code := s.code(); code != 5 || !strings.Contains(s.out.String(), leaveAltScreen) ||
			!strings.Contains(s.err.String(), "the interface failed") {
			t.Errorf("key %s: exit %d, stderr %q, screen %q", key, code, s.err, s.out)
		}
	}
	// A panic in a verb: the Backend of the test has no Search.
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.CombinedOutput("sessions"); exitCode(err) != 5 || !strings.Contains(string(out), "failed to serve") {
		t.Errorf("%q, %v", out, err)
	}
	io.WriteString(other.in, "x")
	other.out.wait(t, "<k>")
	io.WriteString(other.in, "q")
	if code := other.code(); code != 0 {
		t.Errorf("the other session: exit %d", code)
	}
}

// Output does not keep a session alive; keys do.
func TestIdle(t *testing.T) {
	h := open(t, func(c *Config) { c.IdleTimeout = 800 * time.Millisecond })
	s := h.screen(h.client("ana"), "", 80, 24)
	s.out.wait(t, "[ana")
	io.WriteString(s.in, "t")
	s.out.wait(t, "frame")
	begun := time.Now()
	if code := s.code(); code != 0 || !strings.Contains(s.err.String(), "no key was pressed") ||
		!strings.Contains(s.out.String(), leaveAltScreen) {
		t.Errorf("exit %d, stderr %q", code, s.err)
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it lived %v while a frame came every 10 ms", d)
	}
}

func TestShutdownRestoresTerminals(t *testing.T) {
	h := open(t, nil)
	c := h.client("ana")
	s := h.screen(c, "", 80, 24)
	run := h.screen(c, "run db01 -- block", 80, 24)
	s.out.wait(t, "[ana")
	run.out.wait(t, "account ana")
	h.shutdown()
	if code := s.code(); code != 5 || !strings.Contains(s.out.String(), leaveAltScreen) ||
		!strings.Contains(s.err.String(), "the relay is shutting down") {
		t.Errorf("exit %d, stderr %q, screen %q", code, s.err, s.out)
	}
	if code := run.code(); code != 130 {
		t.Errorf("the verb: exit %d, stderr %q", code, run.err)
	}
	if _, err := h.dial(ssh.PublicKeys(h.person("ana"))); err == nil {
		t.Error("a connection was taken after shutdown")
	}
}

func TestCtrlC(t *testing.T) {
	h := open(t, nil)
	s := h.screen(h.client("ana"), "run db01 -- block", 80, 24)
	s.out.wait(t, "account ana\r\n")
	io.WriteString(s.in, "\x03")
	if code := s.code(); code != 130 {
		t.Errorf("exit %d, %q %q", code, s.out, s.err)
	}
	<-h.newest().cancelled
}

func TestSignal(t *testing.T) {
	h := open(t, nil)
	sess, err := h.client("ana").NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out := new(syncBuffer)
	sess.Stdout = out
	if err := sess.Start("run db01 -- block"); err != nil {
		t.Fatal(err)
	}
	out.wait(t, "account ana")
	if err := sess.Signal(ssh.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(sess.Wait()); code != 130 {
		t.Errorf("exit %d", code)
	}
}

// A large input that nobody reads must not outlive its session.
func TestUnreadInput(t *testing.T) {
	h := open(t, nil)
	sess, err := h.client("ana").NewSession()
	if err != nil {
		t.Fatal(err)
	}
	sess.Stdin = strings.NewReader(strings.Repeat("x", 1<<20))
	if out, err := sess.Output("run db01 -- fail"); string(out) != "account ana\n" || exitCode(err) != 42 {
		t.Errorf("%q, %v", out, err)
	}
}

// The interface itself, over SSH.
func TestRealInterface(t *testing.T) {
	h := open(t, func(c *Config) { c.model = nil })
	c := h.client("ana")
	s := h.screen(c, "", 100, 30)
	s.out.wait(t, "db01")
	io.WriteString(s.in, "q")
	if code := s.code(); code != 0 || !strings.Contains(s.out.String(), leaveAltScreen) {
		t.Errorf("exit %d, stderr %q", code, s.err)
	}
	s = h.screen(c, "open db01", 100, 30)
	s.out.wait(t, "db01")
	h.shutdown()
	if code := s.code(); code != 5 || !strings.Contains(s.out.String(), leaveAltScreen) {
		t.Errorf("exit %d, stderr %q", code, s.err)
	}
}
