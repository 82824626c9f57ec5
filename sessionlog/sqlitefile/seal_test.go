package sqlitefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

const step = sessionlog.StepID("01J0000000000000000000STEP")

// fill records a short session, without its end.
func fill(tb testing.TB, log sessionlog.Log, id sessionlog.SessionID) {
	tb.Helper()
	out := func(s sessionlog.Stream, off int64, data string) sessionlog.Event {
		return sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{Stream: s, Offset: off, Data: []byte(data)})
	}
	appendAll(tb, log,
		sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{Session: id, Client: "acme", Name: "db01", Technician: "ana"}),
		sessionlog.New(sessionlog.StepRequested, "technician:ana", step, sessionlog.Requested{Command: "echo a > b"}),
		sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, step, nil),
		out(sessionlog.Stdout, 0, "one\n"), out(sessionlog.Stderr, 0, "\x1b[31mred\u009b"), out(sessionlog.Stdout, 4, "two\n"),
		sessionlog.New(sessionlog.StepEnded, "agent:acme/db01", step, sessionlog.Ended{State: sessionlog.Failed, Exit: 3, Duration: 1.5}),
	)
}

func appendAll(tb testing.TB, log sessionlog.Log, evs ...sessionlog.Event) {
	tb.Helper()
	if _, err := sessionlog.Append(tb.Context(), log, evs...); err != nil {
		tb.Fatal(err)
	}
}

func closeEvent() sessionlog.Event {
	return sessionlog.New(sessionlog.SessionClosed, sessionlog.Technician("ana"), "", sessionlog.Closed{Why: "done"})
}

// sealed returns the path of a sealed record in a directory of its own.
func sealed(tb testing.TB, d *Dir) string {
	tb.Helper()
	f := create(tb, d)
	fill(tb, f, "")
	appendAll(tb, f, closeEvent())
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	return f.path
}

func TestSeal(t *testing.T) {
	d := newDir(t, Config{})
	f := create(t, d)
	fill(t, f, "")
	flushFile(t, f)
	if _, err := f.reader.read(t.Context(), 1, 7, &budget{limit: 10}); err != nil { // a reader is no obstacle
		t.Fatal(err)
	}
	appendAll(t, f, closeEvent())
	wantSealedFile(t, f.path)
	if n := count(t, f); n != 8 {
		t.Errorf("%d events after the seal, want 8", n)
	}
	if evs, err := f.reader.read(t.Context(), 1, 8, &budget{limit: 10}); err != nil || len(evs) != 8 {
		t.Errorf("read from the sealed file: %d events, %v", len(evs), err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, d, f.path)
	if h := again.Head(); h != (sessionlog.Head{Seq: 8, Sealed: true}) {
		t.Errorf("head is %+v", h)
	}
	if n := count(t, again); n != 8 {
		t.Errorf("%d events after the next open, want 8", n)
	}
	if _, err := again.Submit(t.Context(), closeEvent()); !errors.Is(err, sessionlog.ErrSealed) {
		t.Errorf("submit: %v", err)
	}
}

// wantSealedFile: one file, read-only, without WAL mode.
func wantSealedFile(t *testing.T, path string) {
	t.Helper()
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) != 1 {
		t.Errorf("a sealed record has the files %v", names)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o400 {
		t.Errorf("mode of a sealed record is %v, %v", st.Mode(), err)
	}
	b, err := os.ReadFile(path)
	if err != nil || b[18] != 1 || b[19] != 1 {
		t.Errorf("a sealed record has versions %d and %d in its header, %v", b[18], b[19], err)
	}
}

func count(t *testing.T, r sessionlog.Reader) (n int) {
	t.Helper()
	err := sessionlog.Replay(t.Context(), r, func(ev sessionlog.Event) error {
		n++
		return sessionlog.VerifyChunk(ev)
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

func idOf(path string) sessionlog.SessionID {
	return sessionlog.SessionID(strings.TrimSuffix(filepath.Base(path), Ext))
}

func reopen(t *testing.T, d *Dir, path string) *File {
	t.Helper()
	log, err := d.Open(t.Context(), "acme", idOf(path))
	if err != nil {
		t.Fatal(err)
	}
	return log.(*File)
}

// A process that dies between the last commit and the change of the file's form
// leaves that to the next Open.
func TestSealIsFinishedAtOpen(t *testing.T) {
	d := newDir(t, Config{})
	path := unsealed(t, d)
	again := reopen(t, d, path)
	if h := again.Head(); h != (sessionlog.Head{Seq: 8, Sealed: true}) {
		t.Errorf("head is %+v", h)
	}
	wantSealedFile(t, path)
}

// unsealed returns the path of a record that has its last event and not its last
// form.
func unsealed(t *testing.T, d *Dir) string {
	t.Helper()
	f := create(t, d)
	fill(t, f, "")
	f.Close()
	c, err := openConn(f.path, "rw", false)
	if err != nil {
		t.Fatal(err)
	}
	ev := closeEvent()
	ev.Seq = 8
	leaf, err := sessionlog.Leaf(ev)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.exec("INSERT INTO event (seq, leaf) VALUES (8, ?)", string(leaf)), c.close()); err != nil {
		t.Fatal(err)
	}
	return f.path
}

// A record that can not take its last form at open, as others read it, is served
// as sealed. The next Open tries again.
func TestSealFailsAtOpen(t *testing.T) {
	var logged int
	d := newDir(t, Config{Logf: func(string, ...any) { logged++ }})
	path := unsealed(t, d)
	other, err := openReadConn(path, false)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := other.c.Query("SELECT seq FROM event", nil)
	if err != nil {
		t.Fatal(err)
	}
	f := reopen(t, d, path)
	if h := f.Head(); h != (sessionlog.Head{Seq: 8, Sealed: true}) || count(t, f) != 8 || logged != 1 {
		t.Errorf("head is %+v, %d messages", h, logged)
	}
	if _, err := f.Submit(t.Context(), closeEvent()); !errors.Is(err, sessionlog.ErrSealed) {
		t.Errorf("submit: %v", err)
	}
	if err := errors.Join(rows.Close(), other.close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	f = reopen(t, d, path)
	wantSealedFile(t, path)
	if n := count(t, f); n != 8 || logged != 1 {
		t.Errorf("%d events, %d messages", n, logged)
	}
}

// Another process that reads the file keeps it from taking its last form. The
// session is sealed all the same, and the next Open finishes.
func TestSealWhileOthersRead(t *testing.T) {
	var logged int
	d := newDir(t, Config{Logf: func(string, ...any) { logged++ }})
	f := create(t, d)
	fill(t, f, "")
	other, err := openReadConn(f.path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.exec("BEGIN; SELECT count(*) FROM event"); err != nil {
		t.Fatal(err)
	}
	rows, err := other.c.Query("SELECT seq FROM event", nil)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, f, closeEvent())
	if !f.Head().Sealed || count(t, f) != 8 || logged != 1 {
		t.Errorf("head is %+v, %d messages", f.Head(), logged)
	}
	if err := errors.Join(rows.Close(), other.close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	reopen(t, d, f.path)
	wantSealedFile(t, f.path)
}

// A person with nothing but sqlite3 can read a sealed record.
func TestSQLite3CanReadIt(t *testing.T) {
	bin, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("the Debian package sqlite3 is not installed")
	}
	path := sealed(t, newDir(t, Config{}))
	query := func(sql string) string {
		out, err := exec.Command(bin, "-readonly", path, sql).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", sql, err, out)
		}
		return string(out)
	}
	want := "relay|session.opened|session on acme/db01\n" +
		"technician:ana|step.requested|> echo a > b\n" +
		"agent:acme/db01|step.output|one\n\n" +
		"agent:acme/db01|step.output|␛[31mred\ufffd\n" +
		"agent:acme/db01|step.output|two\n\n" +
		"agent:acme/db01|step.ended|failed, exit 3\n" +
		"technician:ana|session.closed|session closed done\n"
	if got := query("SELECT actor, kind, text FROM transcript"); got != want {
		t.Errorf("transcript is\n%s\nwant\n%s", got, want)
	}
	if got, want := query("SELECT actor, command, state, exit, duration FROM commands"), "technician:ana|echo a > b|failed|3|1.5\n"; got != want {
		t.Errorf("commands is %q, want %q", got, want)
	}
	if got := query("PRAGMA integrity_check; PRAGMA application_id; PRAGMA user_version; PRAGMA journal_mode"); got != "ok\n1129530713\n2\ndelete\n" {
		t.Errorf("pragmas are %q", got)
	}
	if got := query("SELECT * FROM transcript LIMIT 1"); !strings.HasPrefix(got, "1|20") {
		t.Errorf("the first line is %q", got)
	}
}

func TestOpenFile(t *testing.T) {
	d := newDir(t, Config{})
	path := filepath.Join(t.TempDir(), "a ?#%41.caisey") // a name that is none of ours
	copyFile(t, sealed(t, d), path)
	if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
		t.Fatal(err)
	}
	r, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := count(t, r); n != 8 || !r.Head().Sealed {
		t.Errorf("%d events, head %+v", n, r.Head())
	}
	if _, err := r.Wait(t.Context(), 8); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("reading made a file")
	}
}

// A record that is live, or was when its relay died, can be read beside its WAL.
func TestOpenFileLive(t *testing.T) {
	d := newDir(t, Config{})
	f := create(t, d)
	fill(t, f, "")
	flushFile(t, f)
	path := filepath.Join(t.TempDir(), "copy.caisey")
	copyFile(t, f.path, path)
	copyFile(t, f.path+"-wal", path+"-wal")
	r, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := count(t, r); n != 7 || r.Head().Sealed {
		t.Errorf("%d events, head %+v", n, r.Head())
	}
	if _, err := r.Wait(t.Context(), 7); !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("wait: %v", err)
	}
}

func copyFile(tb testing.TB, from, to string) {
	tb.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		tb.Fatal(err)
	}
	writeFile(tb, to, b)
}

// What was recorded is in the file as the leaf and as raw bytes.
func TestRawOutputIsStored(t *testing.T) {
	b, err := os.ReadFile(sealed(t, newDir(t, Config{})))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[31mred\u009b", `"body":{"command":"echo a > b"`} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("no %q in the file", want)
		}
	}
}
