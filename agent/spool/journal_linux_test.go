package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk returns a directory on a disk of 1 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
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
	return dir
}

// fillDisk takes all room but that of free bytes.
func fillDisk(t *testing.T, dir string, free int64) (undo func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var size int64
	for err == nil {
		var n int
		n, err = f.Write(make([]byte, 4096))
		size += int64(n)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Truncate(size - free); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func refused(t *testing.T, j *Journal, id string) {
	t.Helper()
	if fresh, err := j.Add(id); fresh || !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("a full disk: %v, %v", fresh, err)
	}
	if !j.Has(id) {
		t.Error("a step that may be noted is not known")
	}
}

// A full disk refuses a step, and those that come when there is room may start.
// What could be written of the one that failed is not in the file.
func TestJournalDiskFull(t *testing.T) {
	dir := smallDisk(t)
	path := filepath.Join(dir, "ran")
	j := openJournal(t, path)

	free := fillDisk(t, dir, 0) // no room to grow
	refused(t, j, "A")
	free()
	add(t, j, "B", true)

	// A file with a hole: its zeros take no room until they are written over.
	if err := errors.Join(j.file.Truncate(j.end), j.file.Truncate(j.size)); err != nil {
		t.Fatal(err)
	}
	free = fillDisk(t, dir, 4096)
	long := strings.Repeat("C", 16<<10)
	refused(t, j, long)
	b, err := os.ReadFile(path)
	if err != nil || strings.Trim(string(b), "\x00") != "B\n" {
		t.Errorf("%.20q, %v", b, err)
	}
	free()
	add(t, j, "D", true)
	add(t, j, "A", false)
	add(t, j, long, false)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, path)
	add(t, j, "B", false)
	add(t, j, "D", false)
	if j.Has(long) {
		t.Error("knows what was refused")
	}
}

// After a cut that fails nothing is certain: nothing starts.
func TestJournalCutFails(t *testing.T) {
	j := openJournal(t, filepath.Join(t.TempDir(), "ran"))
	add(t, j, "A", true)
	j.max, j.path = 0, filepath.Join(t.TempDir(), "none", "ran") // no cut here
	if fresh, err := j.Add("B"); fresh || err == nil {
		t.Fatal(fresh, err)
	}
	j.max = journalMax
	if fresh, err := j.Add("C"); fresh || err == nil {
		t.Fatal("a broken journal let a step start")
	}
}
