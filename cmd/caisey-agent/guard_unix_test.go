//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every directory above the executable and above the data is looked at: whoever can
// write one can put another tree there.
func TestGuard(t *testing.T) {
	const service, stranger = 54321, 12345
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := setup{exe: filepath.Join(top, "opt/caisey/bin/agent"), data: filepath.Join(top, "srv/caisey/data")}
	for _, dir := range []string{filepath.Dir(s.exe), s.data} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.exe, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	user := uint32(os.Geteuid())
	if root {
		user = service
	} else {
		t.Log("only root gives files away: owners are not tested, and not the executable")
		s.exe = top
	}
	g := guard{user: user, below: top}
	if err := g.check(s); err != nil {
		t.Fatal(err)
	}
	refused := func(what, path string, spoil, mend func() error) {
		t.Helper()
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		err := g.check(s)
		if err == nil || !strings.Contains(err.Error(), ": "+path+" ") || !strings.Contains(err.Error(), "; ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %s: %v", path, what, err)
		}
		if err := mend(); err != nil {
			t.Fatal(err)
		}
	}
	above := func(path string) (all []string) {
		for ; path != top; path = filepath.Dir(path) {
			all = append(all, path)
		}
		return all
	}
	for _, path := range append(above(s.exe), above(s.data)...) {
		mode := func(m os.FileMode) func() error { return func() error { return os.Chmod(path, m) } }
		owner := func(uid int) func() error { return func() error { return os.Chown(path, uid, -1) } }
		refused("its group writes", path, mode(0o775), mode(0o755))
		refused("all write", path, mode(0o757), mode(0o755))
		refused("all write, with the sticky bit", path, mode(0o777|os.ModeSticky), mode(0o755))
		if root {
			refused("a stranger's", path, owner(stranger), owner(0))
		}
	}
	if !root {
		return
	}
	for _, path := range above(s.exe) {
		uid := func(uid int) func() error { return func() error { return os.Chown(path, uid, -1) } }
		refused("the service's own", path, uid(service), uid(0))
	}
	for _, path := range above(s.data) {
		if err := os.Chown(path, service, -1); err != nil {
			t.Fatal(err)
		}
		if err := g.check(s); err != nil {
			t.Errorf("data of the service's user: %v", err)
		}
	}
	refused("a link", s.data, func() error {
		if err := os.Remove(s.data); err != nil {
			return err
		}
		return os.Symlink(top, s.data)
	}, func() error { return os.Remove(s.data) })
}
