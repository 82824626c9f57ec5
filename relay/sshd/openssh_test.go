package sshd

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// start starts cmd and returns its input and output. The test kills it in the end.
func start(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, *syncBuffer) {
	t.Helper()
	out := new(syncBuffer)
	cmd.Stdout, cmd.Stderr = out, out
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return in, out
}

func TestOpenSSH(t *testing.T) {
	h := open(t, nil)
	dir := shortDir(t)
	key := h.keyFile(dir, "ana")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"127.0.0.1", "ls"}, 0, "acme/db01  online  never  -  0  -  -\n"},
		{[]string{"127.0.0.1", "run", "db01", "--", "id"}, 0, "account ana\n"},
		{[]string{"127.0.0.1", "run", "db01", "--", "fail"}, 42, "account ana\n"},
		{[]string{"-tt", "127.0.0.1", "run", "db01", "--", "fail"}, 42, "account ana\r\n"},
		{[]string{"127.0.0.1", "ls", "none"}, 4, "caisey: no endpoint matches \"none\"; see `ls` for what there is\n"},
		{[]string{"127.0.0.1"}, 2, "caisey: there is no terminal; connect with `ssh -t`, or name a verb such as `ls` or `help`\n"},
		{[]string{"127.0.0.1", "open", "db01"}, 2, "caisey: open db01: there is no terminal; ask for one with `ssh -t`, or use `run`\n"},
		{[]string{"-s", "127.0.0.1", "sftp"}, 255, "subsystem request failed on channel 0"},
	} {
		out, err := h.openSSH(dir, append([]string{"-i", key}, tt.args...)...).CombinedOutput()
		if exitCode(err) != tt.code || !strings.HasPrefix(string(out), tt.want) {
			t.Errorf("ssh %v: exit %d, %q\nwant exit %d, %q", tt.args, exitCode(err), out, tt.code, tt.want)
		}
	}
}

func TestOpenSSHDumbTerminal(t *testing.T) {
	h := open(t, nil)
	dir := shortDir(t)
	cmd := h.openSSH(dir, "-i", h.keyFile(dir, "ana"), "-tt", "127.0.0.1")
	cmd.Env = append(cmd.Env, "TERM=dumb")
	out, err := cmd.CombinedOutput()
	if exitCode(err) != 2 || !strings.Contains(string(out), "there is no terminal") || strings.Contains(string(out), "\x1b") {
		t.Errorf("exit %d, %q", exitCode(err), out)
	}
}

// One session of a shared connection ends while the other lives on, and nothing
// spins meanwhile.
func TestControlMaster(t *testing.T) {
	h := open(t, nil)
	dir := shortDir(t)
	key := h.keyFile(dir, "ana")
	shared := []string{"-i", key, "-o", "ControlMaster=auto", "-o", "ControlPath=" + dir + "/s", "-tt", "127.0.0.1"}
	first := h.openSSH(dir, shared...)
	in, out := start(t, first)
	out.wait(t, "[ana")
	second := h.openSSH(dir, shared...)
	in2, out2 := start(t, second)
	out2.wait(t, "[ana")
	if h.conns() != 1 {
		t.Fatalf("%d connections, want one that is shared", h.conns())
	}
	io.WriteString(in2, "q")
	if err := second.Wait(); err != nil {
		t.Errorf("second: %v, %s", err, out2)
	}
	before := strings.Count(out.String(), "\x1b")
	io.WriteString(in, "x")
	out.wait(t, "<k>")
	if n := strings.Count(out.String(), "\x1b") - before; n > 100 {
		t.Errorf("the session that lives on drew %d sequences for one key", n)
	}
	io.WriteString(in, "q")
	if err := first.Wait(); err != nil {
		t.Errorf("first: %v, %s", err, out)
	}
}

func (h *house) conns() int {
	h.srv.conns.mu.Lock()
	defer h.srv.conns.mu.Unlock()
	return len(h.srv.conns.all)
}

// A client that is killed leaves nothing, and its command is cancelled.
func TestKilledClient(t *testing.T) {
	h := open(t, nil)
	dir := shortDir(t)
	key := h.keyFile(dir, "ana")
	show := h.openSSH(dir, "-i", key, "-tt", "127.0.0.1")
	in, out := start(t, show)
	out.wait(t, "[ana")
	io.WriteString(in, "f"+strings.Repeat("x", 3000)) // drawing and reading when it dies
	out.wait(t, "frame")
	run := h.openSSH(dir, "-i", key, "127.0.0.1", "run", "db01", "--", "block")
	_, out2 := start(t, run)
	out2.wait(t, "account ana")
	if err := show.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = show.Wait(), run.Wait()
	select {
	case <-h.newest().cancelled:
	case <-time.After(20 * time.Second):
		t.Error("the command of a client that was killed goes on")
	}
	h.gone(t)
}
