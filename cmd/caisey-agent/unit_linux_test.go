package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnit(t *testing.T) {
	want, err := os.ReadFile("testdata/caisey-agent.service")
	if err != nil {
		t.Fatal(err)
	}
	got, err := unit(setup{exe: "/usr/local/bin/caisey-agent", data: "/var/lib/caisey-agent"}, "")
	if err != nil || got != string(want) {
		t.Errorf("%v\n%s", err, got)
	}
}

// odd is a path with everything in it that systemd reads in its own way.
const odd = `/srv/a b/100% "x" $HOME 'y' \n;#`

func TestUnitQuotes(t *testing.T) {
	got, err := unit(setup{exe: "/opt/a b/agent", data: odd, policy: "/etc/caisey policy"}, "cais%ey")
	want := "ExecStart=\"/opt/a b/agent\" run --data \"/srv/a b/100%% \\\"x\\\" $$HOME 'y' \\\\n;#\" --policy \"/etc/caisey policy\"\nUser=cais%%ey\nRestart=always\n"
	if err != nil || !strings.Contains(got, want) {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := unit(setup{exe: "/opt/$x/agent", data: "/d"}, ""); err == nil {
		t.Error("systemd would not find an executable with a $ in its name")
	}
}

// systemd itself takes the unit, and says nothing against it.
func TestUnitIsTaken(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here, which is in Debian's package systemd")
	}
	for _, data := range []string{"/var/lib/caisey-agent", odd} {
		exe := filepath.Join(t.TempDir(), "an agent 100%")
		if err := os.WriteFile(exe, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := unit(setup{exe: exe, data: data, policy: data + "/policy"}, "daemon")
		if err != nil {
			t.Fatal(err)
		}
		if out := verify(t, analyze, text); out != "" {
			t.Errorf("%s\n%s", out, text)
		}
		broken := strings.Replace(text, "KillMode=mixed", "KillMode=gently", 1)
		if out := verify(t, analyze, broken); !strings.Contains(out, "kill mode") {
			t.Errorf("it would take anything: %q", out)
		}
	}
}

// verify returns what systemd-analyze has to say of a unit.
func verify(t *testing.T, analyze, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), unitName)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return string(out)
}
