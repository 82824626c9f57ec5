package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A paced replay prints the same whether a relay serves the record or its file is
// read with no relay, and begins where it is told.
func TestPacedReplayHereAndThere(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	for _, command := range []string{"echo first", "echo second >&2; exit 3", "echo third"} {
		d.admin.ssh("", "run", "acme/db01", "--", command)
	}
	session := d.onlySession()
	d.admin.must("close", session)
	file := filepath.Join(d.data, "sessions", "acme", session+".caisey")
	for flags, want := range map[string]struct{ has, not string }{
		"--speed 64":                    {"first", "?"},
		"--speed 64 --step 2":           {"! second", "first"},
		"--speed 64 --error":            {"exit 3", "first"},
		"--speed 64 --step 3":           {"third", "second"},
		"--as-of +0s":                   {"session " + session, "first"},
		"--as-of +1h":                   {"third", "?"},
		"--from +0s --until +0s":        {"session " + session, "first"},
		"--speed 64 --idle 1s --step 1": {"first", "?"},
	} {
		words := strings.Fields(flags)
		there := d.admin.must(append([]string{"replay", session}, words...)...)
		if !strings.Contains(there, want.has) || strings.Contains(there, want.not) {
			t.Errorf("replay %s has no %q, or has %q:\n%s", flags, want.has, want.not, there)
		}
		here, err := exec.Command(binary(t, "caisey"), append(append([]string{"replay"}, words...), file)...).Output()
		if err != nil || string(here) != there {
			t.Errorf("replay %s of the file: %v\n%s\nof the relay:\n%s", flags, err, here, there)
		}
	}
	if _, stderr, code := d.admin.ssh("", "replay", session, "--from", "+1h"); code != 2 || !strings.Contains(stderr, "the record ends before that") {
		t.Errorf("from beyond the end: exit code %d, %s", code, stderr)
	}
}
