package sqlitefile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile/losefs"
)

// TestArchivePowerCut: whenever the power goes, the record is there, whole, in one
// form, and can be archived again.
func TestArchivePowerCut(t *testing.T) {
	cutEverywhere(t, (*Dir).Archive, func(t *testing.T, d *Dir, id sessionlog.SessionID, done bool) {
		list, err := d.List()
		if err != nil || len(list) != 1 || list[0].ID != id || done && !list[0].Archived {
			t.Fatalf("list is %+v, %v", list, err)
		}
		for range 2 {
			log, err := d.Open(t.Context(), "acme", id)
			if err != nil {
				t.Fatal(err)
			}
			if n := count(t, log); n != 8 || !log.Head().Sealed {
				t.Fatalf("%d events, head %+v", n, log.Head())
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			if err := d.Archive(t.Context(), "acme", id); err != nil {
				t.Fatal(err)
			}
		}
		if got := names(t, d, "acme"); len(got) != 1 {
			t.Fatalf("in the end there are %v", got)
		}
	})
}

// TestRemovePowerCut: whenever the power goes, the record is whole, or gone; once
// Remove has returned it is gone.
func TestRemovePowerCut(t *testing.T) {
	cutEverywhere(t, (*Dir).Remove, func(t *testing.T, d *Dir, id sessionlog.SessionID, done bool) {
		log, err := d.Open(t.Context(), "acme", id)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil || done {
			t.Fatalf("open: %v", err)
		}
		if n := count(t, log); n != 8 {
			t.Fatalf("%d events", n)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// cutEverywhere does something to a sealed record, with a power cut in the first
// operation of the disk, then in the second and so on, with several fates for
// each, and checks what is left.
func cutEverywhere(t *testing.T, do func(*Dir, context.Context, string, sessionlog.SessionID) error,
	check func(t *testing.T, d *Dir, id sessionlog.SessionID, done bool),
) {
	needLosefs(t)
	home := t.TempDir()
	d, err := OpenDir(home, Config{Signer: newSigner(t)})
	if err != nil {
		t.Fatal(err)
	}
	id := idOf(sealed(t, d))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for at := 1; ; at++ {
		whole := true
		for seed := range uint64(powerCuts(5)) {
			t.Log("cut", at, "seed", seed) // the last one is where it failed
			done, left := cutOnce(t, home, at, seed, func(d *Dir) error { return do(d, t.Context(), "acme", id) })
			again, err := OpenDir(left, Config{})
			if err != nil {
				t.Fatalf("cut %d, seed %d: %v", at, seed, err)
			}
			check(t, again, id, done)
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			whole = whole && done
		}
		if whole {
			if at < 3 {
				t.Errorf("it is done after %d operations of the disk", at-1)
			}
			t.Logf("cuts in %d places", at-1)
			return
		}
	}
}

// cutOnce does something to a copy of a directory with a cut on the way. It
// reports whether it was done before, and returns what the cut left.
func cutOnce(t *testing.T, home string, at int, seed uint64, do func(*Dir) error) (done bool, left string) {
	t.Helper()
	dir := t.TempDir()
	mount, backing := filepath.Join(dir, "mount"), filepath.Join(dir, "backing")
	if err := errors.Join(os.Mkdir(mount, 0o700), os.CopyFS(backing, os.DirFS(home))); err != nil {
		t.Fatal(err)
	}
	disk, err := losefs.Mount(mount, backing)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close() // if the test fails before
	d, err := OpenDir(mount, Config{})
	if err != nil {
		t.Fatal(err)
	}
	disk.CutAt(at, seed)
	err = do(d)
	done = !disk.IsCut()
	if err != nil && done {
		t.Errorf("without a cut: %v", err)
	}
	_ = d.Close()
	disk.Cut(seed)
	if err := disk.Close(); err != nil {
		t.Fatal(err)
	}
	return done, backing
}
