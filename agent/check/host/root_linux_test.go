package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/journal"
)

// rooted returns a system of only these files, by name under its root, without a
// journal.
func rooted(t *testing.T, files map[string]string) system {
	t.Helper()
	s := system{root: t.TempDir(), journal: journal.Journal{Dirs: []string{}, Ring: "/no/such"}}
	for name, text := range files {
		name = s.path(name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// journaled gives s a journal, of which answer gives what journalctl prints. The
// fixtures are written after systemd.journal-fields(7) and the kernel's source.
func (s system) journaled(t *testing.T, answer func(args []string) string) system {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.journal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.journal = journal.Journal{Dirs: []string{dir}, Tool: func(_ context.Context, _ *check.Out, name string, args ...string) ([]byte, error) {
		if name != "journalctl" || !slices.Contains(args, "json") {
			t.Errorf("%s %v", name, args)
		}
		return []byte(answer(args)), nil
	}}
	return s
}
