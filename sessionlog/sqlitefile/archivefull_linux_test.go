package sqlitefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A full disk keeps a record from being archived, and little space an archived one
// from being opened: what is left belongs to those who record.
func TestArchiveDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	d, err := OpenDir(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	path := sealed(t, d)
	filler := filepath.Join(dir, "acme", "filler")
	if err := os.WriteFile(filler, make([]byte, 8<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	if err := d.Archive(t.Context(), "acme", idOf(path)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("archive on a full disk: %v", err)
	}
	if got := names(t, d, "acme"); len(got) != 2 || got[0] != filepath.Base(path) {
		t.Errorf("the client has %v", got)
	}
	if f := reopen(t, d, path); count(t, f) != 8 || f.Close() != nil {
		t.Error("the record is not whole")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := d.Archive(t.Context(), "acme", idOf(path)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), "acme", idOf(path)); err == nil || !strings.Contains(err.Error(), "over the limit of 0 MiB") {
		t.Errorf("open with little space: %v", err)
	}
	if got := names(t, d, unpackedDir+"/acme"); len(got) != 0 {
		t.Errorf("it leaves %v", got)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=128m"); err != nil {
		t.Fatal(err)
	}
	if f := reopen(t, d, path); count(t, f) != 8 {
		t.Error("the record is not whole once there is space")
	}
}
