package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// oneLine fails unless text is one line that holds all of the words.
func oneLine(t *testing.T, what, text string, words ...string) {
	t.Helper()
	if n := len(lines(text)); n != 1 {
		t.Errorf("%s: %d lines are said, not one:\n%s", what, n, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is not in %q", what, w, text)
		}
	}
}

// local runs a command of ours and returns what it says and its exit code.
func localRun(t *testing.T, name string, args ...string) (stderr string, code int) {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command(binary(t, name), args...)
	cmd.Stderr = &errs
	_ = cmd.Run() // the exit code tells
	return errs.String(), cmd.ProcessState.ExitCode()
}

func TestBadTokensAndKeys(t *testing.T) {
	d := deploy(t)
	token := strings.TrimSpace(d.admin.must("token", "new", "--client", "acme"))
	enroll := func(token, name string) (string, int) {
		return localRun(t, "caisey-agent", "enroll", token, "--name", name, "--data", t.TempDir())
	}
	if said, code := enroll(token, "db01"); code != 0 {
		t.Fatalf("a good token: exit %d: %s", code, said)
	}
	said, code := enroll(token, "db02")
	if oneLine(t, "used token", said, "used up"); code != 1 {
		t.Errorf("used token: exit %d", code)
	}
	short := strings.TrimSpace(d.admin.must("token", "new", "--client", "acme", "--ttl", "1s"))
	<-time.After(1100 * time.Millisecond)
	said, _ = enroll(short, "db02")
	oneLine(t, "expired token", said, "expired")

	good := strings.TrimSpace(d.admin.must("token", "new", "--client", "acme"))
	const prefix = "caisey1:"
	forged := prefix + flip(good[len(prefix):len(prefix)+1]) + good[len(prefix)+1:]
	said, _ = enroll(forged, "db02")
	oneLine(t, "forged token", said, "token")
	at := strings.LastIndex(good, "@")
	wrongKey := good[:at-8] + flip(good[at-8:at-7]) + good[at-7:]
	said, _ = enroll(wrongKey, "db02")
	oneLine(t, "token with another relay's key", said, "another key")
	said, _ = enroll("nonsense", "db02")
	oneLine(t, "no token at all", said, "token")
	if said, code := enroll(good, "db02"); code != 0 {
		t.Errorf("the good token after all that: exit %d: %s", code, said)
	}
	stranger := d.newTechnician("mallory")
	if out, said, code := stranger.ssh("", "ls"); code != 255 || out != "" || !strings.Contains(said, "Permission denied") {
		t.Errorf("unknown key: exit %d, %q, %q", code, out, said)
	}
}

// flip returns another base64 digit.
func flip(digit string) string {
	if digit == "A" {
		return "B"
	}
	return "A"
}

func TestBadCommands(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	ana := d.letIn("ana", "technician")
	t.Run("no such target", func(t *testing.T) {
		out, said, code := ana.ssh("", "run", "acme/nothing", "--", "true")
		if oneLine(t, "no such target", said, "acme/nothing"); code != 4 || out != "" {
			t.Errorf("exit %d, %q", code, out)
		}
	})
	t.Run("no such command", func(t *testing.T) {
		_, said, code := ana.ssh("", "run", "acme/db01", "--", "no-such-command-here")
		if code != 127 || !strings.Contains(said, "not found") {
			t.Errorf("exit %d: %s", code, said)
		}
	})
	t.Run("never ends", func(t *testing.T) {
		begun := time.Now()
		_, said, code := ana.ssh("", "run", "acme/db01", "--timeout", "1s", "--", "sleep 1000")
		if oneLine(t, "never ends", said, "timed out"); code != 1 || time.Since(begun) > 10*time.Second {
			t.Errorf("exit %d after %v", code, time.Since(begun))
		}
	})
	t.Run("forks", func(t *testing.T) {
		mark := "31.41592"
		_, _, code := ana.ssh("", "run", "acme/db01", "--timeout", "2s", "--",
			"for i in 1 2 3 4 5; do (trap '' TERM; setsid sleep "+mark+" & sleep "+mark+") & done; wait")
		if code != 1 {
			t.Errorf("exit %d", code)
		}
		eventually(t, "the children are gone", func() bool {
			ps, _ := exec.Command("pgrep", "-f", "sleep "+mark).Output()
			return len(ps) == 0
		})
	})
	t.Run("binary", func(t *testing.T) {
		out, _, code := ana.ssh("", "run", "acme/db01", "--", `printf '\033]0;title\007\033[6n\233\000\377ok\n'`)
		if code != 0 || !strings.HasSuffix(out, "ok\n") || strings.ContainsAny(out, "\x1b\x00\a") {
			t.Errorf("exit %d: %q", code, out)
		}
	})
	t.Run("reads stdin", func(t *testing.T) {
		if out, said, code := ana.ssh("typed\n", "run", "acme/db01", "--", "cat; echo end"); out != "end\n" || code != 0 {
			t.Errorf("exit %d: %q %q", code, out, said)
		}
	})
	t.Run("usage", func(t *testing.T) {
		_, said, code := ana.ssh("", "fly", "away")
		if oneLine(t, "usage", said); code != 2 {
			t.Errorf("exit %d", code)
		}
	})
	t.Run("refused", func(t *testing.T) {
		_, said, code := ana.ssh("", "token", "new", "--client", "acme")
		if oneLine(t, "refused", said, "ana"); code != 3 {
			t.Errorf("exit %d", code)
		}
	})
	t.Run("offline", func(t *testing.T) {
		if err := d.agents["acme/db01"].stop(); err != nil {
			t.Logf("agent: %v", err)
		}
		eventually(t, "the endpoint is offline", func() bool {
			return strings.Contains(d.admin.must("ls", "--json"), `"online":false`)
		})
		_, said, code := ana.ssh("", "run", "acme/db01", "--", "true")
		if oneLine(t, "offline", said, "offline"); code != 4 {
			t.Errorf("exit %d", code)
		}
	})
}

// TestBigOutput moves 60 MB through the record to a client, byte for byte.
func TestBigOutput(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	cmd := d.admin.command("run", "acme/db01", "--", "seq -f %015.0f 3750000")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	want := exec.Command("seq", "-f", "%015.0f", "3750000")
	oracle, err := want.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := want.Start(); err != nil {
		t.Fatal(err)
	}
	n, err := compare(pipe, oracle)
	if err != nil || n != 60_000_000 {
		t.Errorf("after %d bytes: %v", n, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if err := want.Wait(); err != nil {
		t.Error(err)
	}
}

// TestTooBigOutput moves what is kept of 100 MB to a client: the head and the tail,
// byte for byte, and exactly how much is between them.
func TestTooBigOutput(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	out, said, code := d.admin.ssh("", "run", "acme/db01", "--", "seq -f %015.0f 6250000")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	var left int
	if _, err := fmt.Sscanf(said, "caisey: %d bytes of stdout not recorded: output limit of 64 MiB\n", &left); err != nil {
		t.Fatalf("stderr %q: %v", said, err)
	}
	if len(out)+left != 100_000_000 || len(out) > 64<<20 || len(out) < 62<<20 || left%16 != 0 {
		t.Fatalf("%d bytes came and %d are left out", len(out), left)
	}
	last := 0
	skipped := 0
	for line := range strings.Lines(out) {
		n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil || len(line) != 16 {
			t.Fatalf("line %q after %d", line, last)
		}
		if n != last+1 {
			skipped++
			if gap := (n - last - 1) * 16; gap != left {
				t.Fatalf("%d bytes are missing after line %d, not %d", gap, last, left)
			}
		}
		last = n
	}
	if last != 6250000 || skipped != 1 {
		t.Errorf("the last line is %d, there are %d gaps", last, skipped)
	}
}

func TestBadData(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	relay := func(data, ssh string) (string, int) {
		return localRun(t, "caisey", "relay", "--data", data, "--quic", "127.0.0.1:0", "--ssh", ssh)
	}
	said, code := relay(foreign, "127.0.0.1:0")
	if oneLine(t, "foreign directory", said, "thesis.txt"); code == 0 {
		t.Errorf("foreign directory: exit %d", code)
	}
	said, code = relay(t.TempDir(), busy.Addr().String())
	if oneLine(t, "busy port", said, busy.Addr().String(), "in use"); code == 0 {
		t.Errorf("busy port: exit %d", code)
	}
	d := deploy(t)
	said, code = relay(d.data, "127.0.0.1:0")
	if oneLine(t, "directory in use", said, "in use"); code == 0 {
		t.Errorf("directory in use: exit %d", code)
	}
}

func TestBadSessionFiles(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	d.admin.must("run", "acme/db01", "--", "echo hello")
	session := d.onlySession()
	d.admin.must("close", session)
	file := filepath.Join(d.data, "sessions", "acme", session+".caisey")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary(t, "caisey"), "log", file).Output()
	if err != nil || !strings.Contains(string(out), "hello") {
		t.Errorf("log of a good file: %v\n%s", err, out)
	}
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte("dear diary\n"), "truncated": good[:len(good)/2], "head": good[:50],
		"other": append([]byte("SQLite format 3\x00"), make([]byte, 8192)...),
	} {
		bad := filepath.Join(t.TempDir(), name+".caisey")
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		said, code := localRun(t, "caisey", "log", bad)
		if oneLine(t, name, said, bad); code == 0 {
			t.Errorf("%s: exit %d", name, code)
		}
	}
	// A broken record in the relay's own directory harms nobody else.
	d.admin.must("run", "acme/db01", "--", "echo again")
	if err := d.relay.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, good[:len(good)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	d.startRelay()
	if list := d.admin.must("sessions"); !strings.Contains(list, "acme/db01") {
		t.Errorf("the good record is gone:\n%s", list)
	}
}
