package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// TestVerify takes a record through its doors: verified at the relay, taken away
// as a file, verified there, cut off, changed, and held against a checkpoint.
func TestVerify(t *testing.T) {
	needs(t, "sqlite3", "sqlite3")
	d := deploy(t)
	ana := d.letIn("ana", "technician")
	d.enroll("acme", "db01")
	ana.must("run", "acme/db01", "--", "echo one; echo two >&2; seq 1000")
	id := d.onlySession()
	ana.must("close", id)
	if out := ana.must("verify", id); !strings.Contains(out, "the key that was given") ||
		!strings.Contains(out, "of 1 of 1 steps") || !strings.HasSuffix(out, "whole and unchanged\n") {
		t.Errorf("verify says\n%s", out)
	}
	dir := t.TempDir()
	kept, file := filepath.Join(dir, "kept"), filepath.Join(dir, "taken.caisey")
	write(t, kept, ana.must("verify", id, "--checkpoint"))
	write(t, file, ana.must("export", id, "--as", "sqlite"))
	key, err := os.ReadFile(filepath.Join(d.data, "relay.pub"))
	if err != nil {
		t.Fatal(err)
	}
	trust := strings.TrimSpace(string(key))
	_, otherKey, err := note.GenerateKey(nil, "other")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change string
		args   []string
		code   int
		says   string
	}{
		"whole":     {"", []string{"--trust", trust, "--against", kept}, 0, "whole and unchanged"},
		"own word":  {"", nil, 0, "a key that only the record names"},
		"other key": {"", []string{"--trust", otherKey}, 1, "WRONG"},
		"changed":   {"UPDATE event SET leaf = replace(leaf, 'seq 1000', 'seq 9999') WHERE seq = 2", []string{"--trust", trust}, 1, "event 2: it is not what was signed"},
		"cut off":   {"DELETE FROM event WHERE seq > 1; DELETE FROM checkpoint WHERE size > 1", []string{"--trust", trust, "--against", kept}, 1, "it was cut off"},
		"no key":    {"", []string{"--trust", "nonsense"}, 2, "is not a relay's key"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.caisey")
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, string(b))
			if c.change != "" {
				if out, err := exec.Command("sqlite3", path, c.change).CombinedOutput(); err != nil {
					t.Fatalf("sqlite3: %v: %s", err, out)
				}
			}
			cmd := exec.Command(binary(t, "caisey"), append([]string{"verify", path}, c.args...)...)
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.says) {
				t.Errorf("exit code %d, want %d; it says\n%s", code, c.code, out)
			}
		})
	}
	var r struct{ Signed, Events, Wrong int }
	if err := json.Unmarshal([]byte(ana.must("verify", id, "--json")), &r); err != nil || r.Events == 0 || r.Signed != r.Events || r.Wrong != 0 {
		t.Errorf("as JSON: %+v, %v", r, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
