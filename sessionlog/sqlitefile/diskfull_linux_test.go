package sqlitefile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"

	"github.com/caisey/caisey/sessionlog"
)

// TestDiskFull fills a small disk at many positions: what was acknowledged is
// there, what was not waits, and all goes on by itself when there is space.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs takes root")
	}
	signer := newSigner(t)
	for kib := 300; kib < 1000; kib += 37 {
		t.Run(fmt.Sprintf("%dKiB", kib), func(t *testing.T) { fillAndFree(t, signer, kib) })
	}
}

func fillAndFree(t *testing.T, signer note.Signer, kib int) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kib)); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	held := make(chan string, 16)
	d, err := OpenDir(dir, Config{Signer: signer, Logf: tellHeld(held)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f := create(t, d)
	next, waiting := fillDisk(t, f, held)
	full := f.Head()
	more, err := f.Submit(t.Context(), chunkAt(next+4<<10, 7), closeEvent())
	if err != nil {
		t.Fatal(err)
	}
	if h := f.Head(); h != full || count(t, f) != int(full.Seq) {
		t.Errorf("head is %+v, was %+v", h, full)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*sessionlog.Commit{waiting, more} {
		if _, err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, f); n != int(full.Seq)+3 {
		t.Errorf("%d events, want %d", n, full.Seq+3)
	}
	wantSealedFile(t, f.path)
	wantSigned(t, f.path)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, reopen(t, d, f.path)); n != int(full.Seq)+3 {
		t.Errorf("%d events after the next open, want %d", n, full.Seq+3)
	}
}

// wantSigned fails unless each checkpoint is of the events that the file has, and
// the last of all of them.
func wantSigned(t *testing.T, path string) {
	t.Helper()
	r, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	marks, err := r.Marks(t.Context(), 0, 1000)
	if err != nil || len(marks) == 0 || marks[len(marks)-1].Size != r.Head().Seq {
		t.Fatalf("%d checkpoints, %v", len(marks), err)
	}
	var tree sessionlog.Tree
	for tree.Size() < r.Head().Seq {
		rows, err := r.Rows(t.Context(), tree.Size()+1, 1)
		if err != nil {
			t.Fatal(err)
		}
		tree.Add(sessionlog.LeafHash(rows[0].Leaf))
		if m := marks[0]; m.Size == tree.Size() {
			cp := sessionlog.Checkpoint{Origin: sessionlog.Origin("relay.example", sessionlog.SessionID(strings.TrimSuffix(filepath.Base(path), Ext))), Size: m.Size, Root: tree.Root()}
			if !strings.HasPrefix(m.Note, cp.Text()) {
				t.Errorf("checkpoint at %d is of other events", m.Size)
			}
			marks = marks[1:]
		}
	}
}

// tellHeld returns a Logf that tells of records that are held, and of nothing else.
func tellHeld(held chan<- string) func(string, ...any) {
	return func(format string, args ...any) {
		if msg := fmt.Sprintf(format, args...); strings.Contains(msg, "is held") {
			held <- msg
		}
	}
}

func chunkAt(off int64, n int) sessionlog.Event {
	return sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: make([]byte, n)})
}

// fillDisk appends until the record is held, and returns the unit that waits and
// where it begins.
func fillDisk(t *testing.T, f *File, held <-chan string) (next int64, waiting *sessionlog.Commit) {
	t.Helper()
	for range 1000 {
		c, err := f.Submit(t.Context(), chunkAt(next, 4<<10))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.Done():
			if _, err := c.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		case why := <-held:
			t.Logf("full after %d bytes: %s", next, why)
			return next, c
		}
		next += 4 << 10
	}
	t.Fatal("the disk does not get full")
	return 0, nil
}

// A file that is held can be closed: what waits fails, and nothing else.
func TestCloseWhileHeld(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=400k"); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	held := make(chan string, 16)
	d, err := OpenDir(dir, Config{Logf: tellHeld(held)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f := create(t, d)
	_, waiting := fillDisk(t, f, held)
	full := f.Head()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := waiting.Wait(t.Context()); err == nil {
		t.Error("a unit that found no space counts as recorded")
	}
	if n := count(t, reopen(t, d, f.path)); n != int(full.Seq) {
		t.Errorf("%d events after the next open, want %d", n, full.Seq)
	}
	if err := d.Close(); err != nil { // the file has no space, the journal keeps what it misses
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	if d, err = OpenDir(dir, Config{}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n := count(t, reopen(t, d, f.path)); n != int(full.Seq) {
		t.Errorf("%d events in the next life, want %d", n, full.Seq)
	}
	wantSegments(t, d.path)
}

// newSigner returns a key for checkpoints.
func newSigner(tb testing.TB) note.Signer {
	tb.Helper()
	skey, _, err := note.GenerateKey(nil, "relay.example")
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	return signer
}
