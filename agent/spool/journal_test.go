package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func openJournal(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func add(t *testing.T, j *Journal, id string, want bool) {
	t.Helper()
	if fresh, err := j.Add(id); err != nil || fresh != want {
		t.Fatalf("add %s: %v, %v", id, fresh, err)
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ran")
	j := openJournal(t, path)
	add(t, j, "A", true)
	add(t, j, "A", false)
	b, err := os.ReadFile(path)
	if err != nil || string(written(b)) != "A\n" {
		t.Fatalf("%q, %v", written(b), err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if fresh, err := j.Add("B"); fresh || err == nil {
		t.Fatal("a closed journal let a step start")
	}
	j = openJournal(t, path)
	add(t, j, "A", false)
	if j.Has("B") {
		t.Fatal("knows what was refused")
	}
}

// An id that was cut short did not start, and does not glue to the next.
func TestJournalTorn(t *testing.T) {
	for _, tail := range []string{"BBB", "BBB\x00\x00", "BBB\x00C\n", "\x00BBB\n", "\x00\x00"} {
		path := filepath.Join(t.TempDir(), "ran")
		if err := os.WriteFile(path, []byte("A\n"+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		j := openJournal(t, path)
		add(t, j, "A", false)
		add(t, j, "D", true)
		add(t, j, "BBB", true)
		if b, _ := os.ReadFile(path); string(written(b)) != "A\nD\nBBB\n" {
			t.Fatalf("after %q: %q", tail, written(b))
		}
		again := openJournal(t, path)
		add(t, again, "D", false)
		add(t, again, "C", true)
	}
}

// Of many that ask at once, one may start a step.
func TestJournalConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ran")
	j := openJournal(t, path)
	var started [100]atomic.Int32
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for i := range started {
				fresh, err := j.Add(fmt.Sprint("step", i))
				if err != nil {
					t.Error(err)
				}
				if fresh {
					started[i].Add(1)
				}
			}
		})
	}
	g.Wait()
	for i := range started {
		if n := started[i].Load(); n != 1 {
			t.Errorf("step %d started %d times", i, n)
		}
	}
	if b, _ := os.ReadFile(path); bytes.Count(b, []byte("\n")) != len(started) {
		t.Errorf("%d lines", bytes.Count(b, []byte("\n")))
	}
}

func TestJournalCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ran")
	j := openJournal(t, path)
	j.max, j.keep = 100, 50
	var g sync.WaitGroup
	for i := range 4 {
		g.Go(func() {
			for k := range 100 {
				if fresh, err := j.Add(fmt.Sprintf("%d-%d", i, k)); err != nil || !fresh {
					t.Error(fresh, err)
				}
			}
		})
	}
	g.Wait()
	add(t, j, "newest", true)
	if b, _ := os.ReadFile(path); bytes.Count(b, []byte("\n")) > 101 {
		t.Errorf("%d lines", bytes.Count(b, []byte("\n")))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, path)
	add(t, j, "newest", false)
}
