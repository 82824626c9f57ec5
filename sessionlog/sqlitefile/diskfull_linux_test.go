package sqlitefile

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/caisey/caisey/sessionlog"
)

// TestDiskFull: a full disk refuses units without trace, and once there is room
// the same file goes on where it was.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
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
	f := create(t, d)
	next := fillDisk(t, f)
	full := f.Head()
	for range 3 { // still full: nothing of this counts
		if _, err := sessionlog.Append(t.Context(), f, chunkAt(next, 32<<10), chunkAt(next+32<<10, 1)); err == nil {
			t.Fatal("a full disk took more")
		}
	}
	var gap *sessionlog.GapError
	if _, err := sessionlog.Append(t.Context(), f, chunkAt(next+32<<10, 1)); !errors.As(err, &gap) || gap.Want != next {
		t.Errorf("after a failed unit: %v, want a gap at %d", err, next)
	}
	if h := f.Head(); h != full || count(t, f) != int(full.Seq) {
		t.Errorf("head is %+v, was %+v", h, full)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	appendAll(t, f, chunkAt(next, 32<<10), chunkAt(next+32<<10, 7))
	appendAll(t, f, closeEvent())
	if n := count(t, f); n != int(full.Seq)+3 {
		t.Errorf("%d events, want %d", n, full.Seq+3)
	}
	wantSealedFile(t, f.path)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, reopen(t, d, f.path)); n != int(full.Seq)+3 {
		t.Errorf("%d events after the next open, want %d", n, full.Seq+3)
	}
}

func chunkAt(off int64, n int) sessionlog.Event {
	return sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: make([]byte, n)})
}

// fillDisk appends until it is refused, and returns where the stream ends.
func fillDisk(t *testing.T, f *File) (next int64) {
	t.Helper()
	for range 1000 {
		head, err := sessionlog.Append(t.Context(), f, chunkAt(next, 4<<10))
		if err != nil {
			if head.Seq != f.Head().Seq {
				t.Errorf("a failed unit has head %+v", head)
			}
			t.Logf("full after %d bytes: %v", next, err)
			return next
		}
		next += 4 << 10
	}
	t.Fatal("the disk does not get full")
	return 0
}
