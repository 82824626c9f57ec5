package sqlitefile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile/journal"
)

// inFile returns how many events SQLite sees.
func inFile(t *testing.T, f *File) int64 {
	t.Helper()
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	vals, err := f.s.c.row("SELECT count(*) FROM event")
	if err != nil {
		t.Fatal(err)
	}
	return vals[0].(int64)
}

// still ends the fillers of d: nothing goes into the files by itself.
func still(d *Dir) { d.host.fillers.close() }

// Readers see what was acknowledged, wherever it is.
func TestReadPending(t *testing.T) {
	d := newDir(t, Config{})
	still(d)
	f := create(t, d)
	fill(t, f, "")
	flushFile(t, f)
	for i := range 5 {
		appendAll(t, f, noteEvent(fmt.Sprint("note ", i)), chunkAt(8+int64(i)*10, 10))
	}
	if n := inFile(t, f); n != 7 {
		t.Fatalf("the file has %d events, want 7", n)
	}
	check := func() {
		t.Helper()
		if n := count(t, f); n != 17 || f.Head().Seq != 17 {
			t.Errorf("%d events, head %+v", n, f.Head())
		}
		for from := sessionlog.Seq(1); from <= 18; from++ {
			for limit := range 19 {
				evs, err := f.Read(t.Context(), from, limit)
				if want := min(limit, int(18-from)); err != nil || len(evs) != want || want > 0 && evs[0].Seq != from {
					t.Errorf("read %d from %d: %d events, %v", limit, from, len(evs), err)
				}
			}
			evs, err := f.Outline(t.Context(), from, 100)
			if err != nil {
				t.Fatal(err)
			}
			last := from - 1
			for _, ev := range evs {
				if ev.Chunk != nil || ev.Seq <= last {
					t.Errorf("outline from %d has event %d", from, ev.Seq)
				}
				last = ev.Seq
			}
			if want := outlined(from); len(evs) != want {
				t.Errorf("outline from %d has %d events, want %d", from, len(evs), want)
			}
			if evs, err := f.Outline(t.Context(), from, 1); err != nil || len(evs) != min(1, outlined(from)) {
				t.Errorf("outline of 1 from %d has %d events, %v", from, len(evs), err)
			}
		}
	}
	check()
	flushFile(t, f)
	if n := inFile(t, f); n != 17 {
		t.Errorf("the file has %d events after all, want 17", n)
	}
	f.tail = tail{}
	check()
}

// outlined is how many events from a seq on are not output in TestReadPending.
func outlined(from sessionlog.Seq) (n int) {
	for _, seq := range []sessionlog.Seq{1, 2, 3, 7, 8, 10, 12, 14, 16} {
		if seq >= from {
			n++
		}
	}
	return n
}

// A copy has all that was acknowledged.
func TestCopyPending(t *testing.T) {
	d := newDir(t, Config{})
	still(d)
	f := create(t, d)
	fill(t, f, "")
	r, err := f.Copy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.caisey")
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close(), os.WriteFile(path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	rec, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	if n := count(t, rec); n != 7 {
		t.Errorf("the copy has %d events, want 7", n)
	}
}

// The file has by itself what the journal had, signed, and a clean end leaves no
// segment.
func TestFilled(t *testing.T) {
	d := newDir(t, Config{Signer: newSigner(t)})
	f := create(t, d)
	fill(t, f, "")
	wantSegments(t, d.path, "caisey-journal-000001")
	eventually(t, "the file has no signed events", func() bool {
		f.turn <- struct{}{}
		defer func() { <-f.turn }()
		vals, err := f.s.c.row("SELECT size FROM checkpoint")
		if err != nil {
			t.Fatal(err)
		}
		return vals != nil && vals[0] == int64(7)
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wantSegments(t, d.path)
	checkPath := openAt(t, d.path, Config{})
	if n := events(t, checkPath, idOf(f.path)); n != 7 {
		t.Errorf("%d events, want 7", n)
	}
}

// eventually waits until ok, which what runs beside the test brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(what)
		}
	}
}

// Segments that have ended go, as their records are settled, whoever still writes.
func TestRetired(t *testing.T) {
	d := newDir(t, Config{journal: journal.Config{SegmentBytes: 1, Segments: 4}})
	quiet, busy := create(t, d), create(t, d)
	appendAll(t, quiet, noteEvent("once"))
	for range 50 {
		appendAll(t, busy, noteEvent("and again"))
		if n := len(segmentsOf(t, d.path)); n > 4 {
			t.Fatalf("%d segments", n)
		}
	}
	eventually(t, "the first segment does not go", func() bool { return segmentsOf(t, d.path)[0] != "caisey-journal-000001" })
	if n, m := inFile(t, quiet), count(t, busy); n != 1 || m != 50 {
		t.Errorf("%d and %d events", n, m)
	}
}

// Without the journal, records are committed one by one and nothing is lost.
func TestPastTheJournal(t *testing.T) {
	var mu sync.Mutex
	var told []string
	d := newDir(t, Config{Logf: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf(format, args...))
	}})
	still(d)
	f := create(t, d)
	appendAll(t, f, noteEvent("before"))
	if err := d.host.journal.Close(); err != nil { // as if its disk had failed
		t.Fatal(err)
	}
	for range 10 {
		appendAll(t, f, noteEvent("after"))
	}
	if n := inFile(t, f); n != 11 {
		t.Errorf("the file has %d events, want 11", n)
	}
	wantSegments(t, d.path)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 {
		t.Errorf("told was %q", told)
	}
}

// Who writes much starves nobody who writes a little, and the other way round:
// each goes on until all others have done their share.
func TestNobodyStarves(t *testing.T) {
	d := newDir(t, Config{})
	const small, share = 30, 20
	var waiting atomic.Int32
	waiting.Store(small + 1)
	var wg sync.WaitGroup
	run := func(f *File, next func(i int) []sessionlog.Event) {
		wg.Go(func() {
			for i := 0; i < share || waiting.Load() > 0; i++ {
				if _, err := sessionlog.Append(t.Context(), f, next(i)...); err != nil {
					t.Error(err)
					waiting.Store(0)
					return
				}
				if i == share-1 {
					waiting.Add(-1)
				}
			}
		})
	}
	run(create(t, d), func(i int) []sessionlog.Event { return []sessionlog.Event{chunkAt(int64(i)<<18, 1<<18)} })
	for range small {
		run(create(t, d), func(int) []sessionlog.Event { return []sessionlog.Event{noteEvent("small")} })
	}
	wg.Wait()
}

// A batch that fails takes back what was encoded after it, which then follows
// what is there.
func TestPipelineRollsBack(t *testing.T) {
	d := newDir(t, Config{Commits: 1})
	f := create(t, d)
	fill(t, f, "")
	d.host.commits <- struct{}{} // the commit waits for its slot
	first, err := f.Submit(t.Context(), chunkAt(8, directBytes))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the writer does not come", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.queue) == 0
	})
	after, err := f.Submit(t.Context(), chunkAt(8+directBytes, 10))
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.Submit(t.Context(), noteEvent("stands alone"))
	if err != nil {
		t.Fatal(err)
	}
	f.turn <- struct{}{}
	f.s.broken = errors.New("the disk fails")
	<-f.turn
	<-d.host.commits
	if _, err := first.Wait(t.Context()); err == nil {
		t.Error("a commit to a broken file counts")
	}
	var gap *sessionlog.GapError
	if _, err := after.Wait(t.Context()); !errors.As(err, &gap) || gap.Want != 8 {
		t.Errorf("what followed it: %v", err)
	}
	// What the failed commit wrote may come back: nothing else may take its place in
	// the journal, however well that is.
	if head, err := other.Wait(t.Context()); err == nil {
		t.Errorf("what did not: %+v", head)
	}
	f.turn <- struct{}{}
	f.s.broken = nil
	<-f.turn
	if n := count(t, f); n != 7 {
		t.Errorf("%d events, want 7", n)
	}
}
