package sqlitefile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

func noteEvent(text string) sessionlog.Event {
	return sessionlog.New(sessionlog.NoteAdded, "technician:ana", "", sessionlog.Note{Text: text})
}

// segmentsOf returns the segments in a directory of records, and those set aside.
func segmentsOf(tb testing.TB, dir string) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "caisey-journal-*"))
	if err != nil {
		tb.Fatal(err)
	}
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths
}

func wantSegments(tb testing.TB, dir string, want ...string) {
	tb.Helper()
	if got := segmentsOf(tb, dir); !slices.Equal(got, want) {
		tb.Errorf("segments are %v, want %v", got, want)
	}
}

// died returns a copy of what a process leaves that dies now: the files as they
// are, without what it has in memory.
func died(tb testing.TB, d *Dir) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "records")
	if err := os.CopyFS(dir, os.DirFS(d.path)); err != nil {
		tb.Fatal(err)
	}
	shms, err := filepath.Glob(filepath.Join(dir, "*", "*-shm"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, shm := range shms { // it lives in memory
		if err := os.Remove(shm); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func openAt(tb testing.TB, dir string, cfg Config) *Dir {
	tb.Helper()
	d, err := OpenDir(dir, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

// threeNotes returns a directory of two records with three notes each, all of
// which only the journal has, frame by frame in turns.
func threeNotes(t *testing.T) (dir string, a, b sessionlog.SessionID) {
	t.Helper()
	d := newDir(t, Config{Signer: newSigner(t)})
	still(d)
	fa, fb := create(t, d), create(t, d)
	for i := range 3 {
		appendAll(t, fa, noteEvent(fmt.Sprint("a", i)))
		appendAll(t, fb, noteEvent(fmt.Sprint("b", i)), noteEvent("and more"))
	}
	dir = died(t, d)
	wantSegments(t, dir, "caisey-journal-000001")
	return dir, idOf(fa.path), idOf(fb.path)
}

func events(t *testing.T, d *Dir, id sessionlog.SessionID) int {
	t.Helper()
	log, err := d.Open(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if n := count(t, log); n != int(log.Head().Seq) {
		t.Errorf("%d events, head %+v", n, log.Head())
	}
	return int(log.Head().Seq)
}

// What a process that died left in the journal is in the records, once, however
// often that is done and wherever it stops.
func TestRecovery(t *testing.T) {
	dir, a, b := threeNotes(t)
	segment, err := os.ReadFile(filepath.Join(dir, "caisey-journal-000001"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d := openAt(t, dir, Config{})
		wantSegments(t, dir)
		if n, m := events(t, d, a), events(t, d, b); n != 3 || m != 6 {
			t.Errorf("%d and %d events, want 3 and 6", n, m)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		// It died after the records were durable, and before the segment was gone.
		writeFile(t, filepath.Join(dir, "caisey-journal-000001"), segment)
	}
	if err := os.Remove(filepath.Join(dir, "acme", string(a)+Ext)); err != nil {
		t.Fatal(err)
	}
	d := openAt(t, dir, Config{}) // a record that was deleted is nobody's concern
	wantSegments(t, dir)
	if n := events(t, d, b); n != 6 {
		t.Errorf("%d events, want 6", n)
	}
}

// Recovered events are signed as if they had been recorded so.
func TestRecoverySigns(t *testing.T) {
	dir, a, _ := threeNotes(t)
	d := openAt(t, dir, Config{Signer: newSigner(t)})
	f := reopen(t, d, filepath.Join(dir, "acme", string(a)+Ext))
	appendAll(t, f, closeEvent())
	wantSigned(t, f.path)
	if n := count(t, f); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
}

// A segment that ends anywhere gives what is whole before that, in each record.
func TestRecoveryTorn(t *testing.T) {
	dir, a, b := threeNotes(t)
	segment, err := os.ReadFile(filepath.Join(dir, "caisey-journal-000001"))
	if err != nil {
		t.Fatal(err)
	}
	segment = bytes.TrimRight(segment, "\x00")
	step, last := 11, 0
	switch {
	case os.Getenv("CAISEY_LONG") != "":
		step = 1
	case testing.Short():
		step = 29
	}
	whole := [][2]int{{}, {1, 0}, {1, 2}, {2, 2}, {2, 4}, {3, 4}, {3, 6}}
	for n := 0; n <= len(segment); n += step {
		life := filepath.Join(t.TempDir(), "records")
		if err := os.CopyFS(life, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(life, "caisey-journal-000001"), segment[:n])
		d := openAt(t, life, Config{})
		wantSegments(t, life)
		got := slices.Index(whole, [2]int{events(t, d, a), events(t, d, b)})
		if got < last {
			t.Errorf("cut at %d: %d frames, and %d with less", n, got, last)
		}
		last = got
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if step == 1 && last != 6 {
		t.Errorf("the whole segment has %d frames", last)
	}
}

// What can not follow in one record is told and kept, and is nothing to another.
func TestRecoveryConflict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, f *File) // of record b, before the journal is replayed
		want   int                         // events of b
		says   string
	}{
		{"gap", func(t *testing.T, f *File) { f.head.Seq, f.w.encoder.ledger.seq = 2, 2 }, 0, "record ends at 0"},
		{"overlap", func(t *testing.T, f *File) { appendAll(t, f, noteEvent("other")); flushFile(t, f) }, 1, "record has 1 already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, a, b := threeNotes(t)
			segment := filepath.Join(dir, "caisey-journal-000001")
			all, err := os.ReadFile(segment)
			if err != nil {
				t.Fatal(err)
			}
			if tt.name == "gap" { // without the first frame of b
				all = withoutFrame(all, 1)
			} else {
				if err := os.Remove(segment); err != nil {
					t.Fatal(err)
				}
				d := openAt(t, dir, Config{})
				tt.change(t, reopen(t, d, filepath.Join(dir, "acme", string(b)+Ext)))
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			writeFile(t, segment, all)
			var told []string
			d := openAt(t, dir, Config{Logf: func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }})
			wantSegments(t, dir, "caisey-journal-000001.kept")
			if n, m := events(t, d, a), events(t, d, b); n != 3 || m != tt.want {
				t.Errorf("%d and %d events, want 3 and %d", n, m, tt.want)
			}
			if len(told) == 0 || !strings.Contains(told[0], tt.says) || !strings.Contains(told[0], string(b)) {
				t.Errorf("told was %q", told)
			}
		})
	}
}

// withoutFrame returns a segment without its i-th frame.
func withoutFrame(segment []byte, i int) []byte {
	at := 16
	size := func() int {
		return 8 + int(segment[at])<<24 + int(segment[at+1])<<16 + int(segment[at+2])<<8 + int(segment[at+3])
	}
	for range i {
		at += size()
	}
	return slices.Delete(slices.Clone(segment), at, at+size())
}

// A damaged segment that is no torn one is never deleted.
func TestRecoveryKeepsDamage(t *testing.T) {
	dir, a, _ := threeNotes(t)
	segment := filepath.Join(dir, "caisey-journal-000001")
	all, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(all, "\x00"))
	all[end-1]++
	writeFile(t, segment, all)
	writeFile(t, filepath.Join(dir, "caisey-journal-000002"), all[:16]) // so it was ended whole
	d := openAt(t, dir, Config{})
	wantSegments(t, dir, "caisey-journal-000001.kept")
	if n := events(t, d, a); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

// What is kept is never written over by what is kept later.
func TestKeptSegmentsStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	if err := openAt(t, dir, Config{}).Close(); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"a first strange segment", "a second strange segment"} {
		name := filepath.Join(dir, fmt.Sprintf("caisey-journal-%06d", 2*i+1))
		writeFile(t, name, []byte(text))
		d, err := OpenDir(dir, Config{Logf: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		f := create(t, d)
		fill(t, f, "") // makes a segment of its own
		for _, s := range segmentsOf(t, dir) {
			if s == filepath.Base(name) {
				t.Errorf("the number of what is kept is used again: %v", s)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(name + ".kept"); err != nil || string(b) != text {
			t.Errorf("kept: %q, %v", b, err)
		}
	}
}

// A journal that has another event in a place of the record than the record has is
// kept: somebody was told of it.
func TestRecoveryOtherEvent(t *testing.T) {
	d := openAt(t, filepath.Join(t.TempDir(), "records"), Config{})
	still(d)
	f := create(t, d)
	fill(t, f, "")
	appendAll(t, f, noteEvent("in the journal"))
	dir := died(t, d)
	path := filepath.Join(dir, "acme", string(idOf(f.path))+Ext)
	c, err := openConn(path, "rw", false)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(leafOf(t, f, f.Head().Seq)), "in the journal", "in the record.", 1)
	for seq := sessionlog.Seq(1); seq <= f.Head().Seq; seq++ {
		leaf := string(leafOf(t, f, seq))
		if seq == f.Head().Seq {
			leaf = other
		}
		if err := c.exec("INSERT OR IGNORE INTO event (seq, leaf) VALUES (?, ?)", int64(seq), leaf); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	next := openAt(t, dir, Config{Logf: t.Logf})
	defer next.Close()
	if kept := segmentsOf(t, dir); len(kept) != 1 || !strings.HasSuffix(kept[0], ".kept") {
		t.Errorf("segments %v", kept)
	}
}

// leafOf returns the leaf of an event that f has acknowledged.
func leafOf(t *testing.T, f *File, seq sessionlog.Seq) []byte {
	t.Helper()
	evs, err := f.Read(t.Context(), seq, 1)
	if err != nil || len(evs) != 1 {
		t.Fatalf("event %d: %v, %v", seq, evs, err)
	}
	leaf, err := sessionlog.AppendLeaf(nil, evs[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// A Read that has no room left is not a record without events.
func TestSpentBudget(t *testing.T) {
	d := openAt(t, filepath.Join(t.TempDir(), "records"), Config{})
	f := create(t, d)
	fill(t, f, "")
	flushFile(t, f)
	_, err := lend(t.Context(), &f.reader, func(c *readConn) (any, error) {
		evs, err := c.read(t.Context(), 1, f.Head().Seq, &budget{limit: 10, events: 1, bytes: maxReadBytes})
		if len(evs) > 0 {
			t.Errorf("%d events where there was room for none", len(evs))
		}
		return nil, err
	})
	if err != nil {
		t.Error(err)
	}
}
