//go:build unix

package policy

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A file that cannot be vouched for refuses everything.
func TestFileOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string) error
		want  string
	}{
		"writable by its group": {func(_ *testing.T, path string) error { return os.Chmod(path, 0o664) }, "can be written by others (mode 0664)"},
		"writable by all":       {func(_ *testing.T, path string) error { return os.Chmod(path, 0o602) }, "can be written by others"},
		"directory writable":    {func(_ *testing.T, path string) error { return os.Chmod(filepath.Dir(path), 0o777) }, "can be written by others"},
		"owner": {func(t *testing.T, path string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			return os.Chown(path, 12345, -1)
		}, "belongs to user 12345"},
		"owner of the directory": {func(t *testing.T, path string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root gives directories away")
			}
			return os.Chown(filepath.Dir(path), 12345, -1)
		}, "belongs to user 12345"},
		"directory": {func(_ *testing.T, path string) error {
			return firstError(os.Remove(path), os.Mkdir(path, 0o700))
		}, "is not a file"},
		"pipe": {func(_ *testing.T, path string) error {
			return firstError(os.Remove(path), syscall.Mkfifo(path, 0o600))
		}, "is not a file"},
		"link to nowhere": {func(_ *testing.T, path string) error {
			return firstError(os.Remove(path), os.Symlink("nowhere", path))
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &File{Path: filepath.Join(t.TempDir(), "policy")}
			write(t, f.Path, "effects shell\n")
			if got := check(f); got != "" {
				t.Fatal("before: ", got)
			}
			if err := c.spoil(t, f.Path); err != nil {
				t.Fatal(err)
			}
			if got := check(f); !strings.Contains(got, "so everything is refused") || !strings.Contains(got, c.want) {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A link is followed: what counts is who can write the file that it leads to.
func TestFileBehindALink(t *testing.T) {
	dir := t.TempDir()
	f := &File{Path: filepath.Join(dir, "policy"), Now: noon}
	real := filepath.Join(t.TempDir(), "real")
	write(t, real, "read-only\n")
	if err := os.Symlink(real, f.Path); err != nil {
		t.Fatal(err)
	}
	if got := check(f); !strings.HasSuffix(got, "line 1: read-only") {
		t.Error(got)
	}
	if err := os.Chmod(real, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := check(f); !strings.Contains(got, "can be written by others") {
		t.Error(got)
	}
}
