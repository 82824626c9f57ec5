package sqlitefile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

const failFlag = "FAILSYNC"

// TestFailingFlush runs itself in a process whose WALs fail to flush while a file is
// there.
func TestFailingFlush(t *testing.T) {
	if os.Getenv(failFlag) != "" {
		t.Run("then small", flushFailsThenSmall)
		t.Run("then reopen", flushFailsThenReopen)
		t.Run("in copy", flushFailsInCopy)
		return
	}
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("needs the compiler of the Debian package gcc")
	}
	dir := t.TempDir()
	shim := filepath.Join(dir, "failsync.so")
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", shim, "testdata/failsync.c", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFailingFlush$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), failFlag+"="+filepath.Join(dir, "flag"), "LD_PRELOAD="+shim)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// failing returns how to make the disk fail, and be well again.
func failing(t *testing.T) (fail, mend func()) {
	t.Helper()
	flag := os.Getenv(failFlag)
	mend = func() { _ = os.Remove(flag) }
	t.Cleanup(mend)
	return func() { writeFile(t, flag, nil) }, mend
}

// stillFile returns a record with seven events in a directory that fills nothing by
// itself.
func stillFile(t *testing.T) (*Dir, *File) {
	t.Helper()
	d, err := OpenDir(filepath.Join(t.TempDir(), "records"), Config{Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	still(d)
	f := create(t, d)
	fill(t, f, "")
	flushFile(t, f)
	return d, f
}

// large returns a batch that goes to the file at once.
func large() []sessionlog.Event {
	evs := make([]sessionlog.Event, 8)
	for i := range evs {
		evs[i] = chunkAt(8+int64(i)*32<<10, 32<<10)
	}
	return evs
}

// notes records three notes and returns where those stand that were acknowledged.
func notes(t *testing.T, f *File) (acked []sessionlog.Seq) {
	t.Helper()
	for i := range 3 {
		if head, err := sessionlog.Append(t.Context(), f, noteEvent(fmt.Sprint("note ", i))); err == nil {
			acked = append(acked, head.Seq)
		}
	}
	return acked
}

// stillThere kills d's process, as far as the disk can tell, and looks for notes.
func stillThere(t *testing.T, d *Dir, id sessionlog.SessionID, acked []sessionlog.Seq) {
	t.Helper()
	next := openAt(t, died(t, d), Config{Logf: t.Logf})
	f, err := next.Open(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range acked {
		evs, err := f.Read(t.Context(), seq, 1)
		if err != nil || len(evs) == 0 || evs[0].Kind != sessionlog.NoteAdded {
			t.Errorf("acknowledged event %d is now %v, %v", seq, evs, err)
		}
	}
}

// A commit whose flush failed may stand whole in the WAL. What comes after it is not
// acknowledged by the journal, or it would be passed over when the WAL comes back.
func flushFailsThenSmall(t *testing.T) {
	fail, mend := failing(t)
	d, f := stillFile(t)
	fail()
	if _, err := sessionlog.Append(t.Context(), f, large()...); err == nil {
		t.Fatal("the flush did not fail")
	}
	mend()
	stillThere(t, d, sessionlog.SessionID(idOf(f.path)), notes(t, f))
}

// The same where the record is closed and opened again in between: the file may have
// more than what the journal still holds for it.
func flushFailsThenReopen(t *testing.T) {
	fail, mend := failing(t)
	d, f := stillFile(t)
	notes(t, f)
	fail()
	if _, err := sessionlog.Append(t.Context(), f, large()...); err == nil {
		t.Fatal("the flush did not fail")
	}
	_ = f.Close() // it cannot file what is pending
	mend()
	id := sessionlog.SessionID(idOf(f.path))
	log, err := d.Open(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	acked := notes(t, log.(*File))
	if len(acked) != 3 {
		t.Errorf("of three notes %v were acknowledged", acked)
	}
	if err := log.(*File).flush(); err != nil {
		t.Errorf("fill: %v", err)
	}
	stillThere(t, d, id, acked)
}

// A flush that fails while the WAL is copied into the file is noticed: nobody may say
// afterwards that all is durable.
func flushFailsInCopy(t *testing.T) {
	fail, mend := failing(t)
	_, f := stillFile(t)
	fail()
	for off := int64(8); off < 8+12<<20 && f.flush() == nil; off += 128 << 10 {
		appendAll(t, f, chunkAt(off, 128<<10))
	}
	mend()
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	if err := f.fill(full, true); err == nil || f.s.broken == nil {
		t.Errorf("settled: %v, broken: %v", err, f.s.broken)
	}
}
