package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo runs the demo without a terminal, uses the ssh command that it
// prints, ends it as Ctrl-C does, and looks at what is left.
func TestDemo(t *testing.T) {
	needs(t, "ssh", "openssh-client")
	home, data := t.TempDir(), filepath.Join(t.TempDir(), "demo")
	stdout := filepath.Join(t.TempDir(), "stdout")
	shell := "HOME=" + home + " exec " + binary(t, "caisey") + " demo --data " + data + " > " + stdout
	demo := start(t, "sh", "-c", shell)
	var line string
	eventually(t, "the demo prints an ssh command", func() bool {
		b, err := os.ReadFile(stdout)
		line = strings.TrimSpace(string(b))
		return err == nil && strings.HasPrefix(line, "ssh ")
	})
	if strings.Contains(line, "\n") {
		t.Errorf("the ssh command is not on a line of its own: %q", line)
	}
	run := func(verb string) string {
		t.Helper()
		cmd := exec.Command("sh", "-c", line+" "+verb)
		cmd.Env = append(os.Environ(), "HOME="+home)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", line, verb, err, stderr.String())
		}
		return string(out)
	}
	if ls := lines(run("ls --json")); len(ls) != 4 {
		t.Errorf("the demo has %d endpoints: %q", len(ls), ls)
	}
	out := run("\"run '*/*' -- echo it works; sleep 600 & echo\"")
	if n := strings.Count(out, "it works"); n != 4 {
		t.Errorf("%d of 4 endpoints ran the command:\n%s", n, out)
	}
	if err := demo.stop(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 0 {
		t.Errorf("the demo left %v in the home directory, %v", left, err)
	}
	if ps, _ := exec.Command("pgrep", "-f", data).Output(); len(ps) > 0 {
		t.Errorf("the demo left processes: %s", ps)
	}

	// The same data again: the same endpoints and records.
	if err := os.Remove(stdout); err != nil {
		t.Fatal(err)
	}
	demo = start(t, "sh", "-c", shell)
	eventually(t, "the demo prints an ssh command", func() bool {
		b, err := os.ReadFile(stdout)
		line = strings.TrimSpace(string(b))
		return err == nil && strings.HasPrefix(line, "ssh ")
	})
	if n := len(lines(run("sessions --json"))); n != 4 {
		t.Errorf("%d sessions outlived the demo", n)
	}
	if err := demo.stop(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}
