package foreign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
	"github.com/caisey/caisey/sessionlog/verify"
)

func inOrder(i int) uint64 { return uint64(i) + 1 }

// begin opens path with a child of a kind.
func begin(t *testing.T, kind, path string) *Record {
	t.Helper()
	r, err := starter{word: kind, patience: time.Minute}.open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// wantKilled fails unless err is one line that says of which file the reader died,
// and of what, and the child is gone.
func wantKilled(t *testing.T, r *Record, err error, of string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"read record " + r.path + ": its reader was killed (" + of, "); the file is damaged or hostile"} {
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error is %q, want %q in it", err, want)
		}
	}
	wantGone(t, r)
	if _, again := r.Read(t.Context(), 1, 1); again == nil || again.Error() != err.Error() {
		t.Errorf("afterwards: %v", again)
	}
}

// TestMemory: a file of 4 MiB whose rows are said to have 4 GiB is read a row at a
// time; a child that takes more than it may dies.
func TestMemory(t *testing.T) {
	path := writeBomb(t, 1024, 1000, true, inOrder)
	r := begin(t, word, path)
	rows, err := r.Rows(t.Context(), 1, 1024)
	if err != nil || len(rows) != 1 { // one row is over what an answer has
		t.Errorf("%d rows, %v", len(rows), err)
	}
	_, err = starter{word: "hungry", patience: time.Minute}.open(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "its reader was killed (over its limit of memory); the file is damaged or hostile") {
		t.Errorf("a child that takes too much: %v", err)
	}
}

// TestTime: to read a file of 6 MiB takes what one of 12 GiB would.
func TestTime(t *testing.T) {
	r := begin(t, "roomy", writeBomb(t, 3000, 1000, false, inOrder))
	var err error
	begun := time.Now()
	for i := 0; err == nil && time.Since(begun) < 30*time.Second; i++ {
		_, err = verify.Record(t.Context(), r, verify.Options{})
	}
	wantKilled(t, r, err, "over its limit of processor time")
}

// TestCircle: rows in disorder lead no reader in a circle.
func TestCircle(t *testing.T) {
	// Two rows fill an answer; SQLite finds 5 and then 2 wherever it looks for 3.
	path := writeBomb(t, 8, 128, false, func(i int) uint64 { return uint64(5 - i%2*3) })
	here, err := sqlitefile.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	for name, r := range map[string]verify.Source{"child": begin(t, word, path), "here": here} {
		done := make(chan error, 1)
		go func() {
			_, err := verify.Record(t.Context(), r, verify.Options{})
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "record is damaged") {
				t.Errorf("%s: verify: %v", name, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: verify goes in circles", name)
		}
	}
}

// TestMad: a child may say what it likes.
func TestMad(t *testing.T) {
	path := write(t, 10, 10, true)
	for kind, of := range map[string]string{
		"silent": "no answer within 300ms", "babble": "what it said was no answer",
		"deaf": "exit status 3", "flood": "an answer of more than 64 MiB",
		"boast": "an answer of more than 64 MiB",
	} {
		t.Run(kind, func(t *testing.T) {
			patience := time.Minute
			if kind == "silent" {
				patience = 300 * time.Millisecond
			}
			_, err := starter{word: kind, patience: patience}.open(t.Context(), path)
			want := "read record " + path + ": its reader was killed (" + of
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want %q in it", err, want)
			}
		})
	}
}

// TestKilled: somebody kills the child in the middle of reading.
func TestKilled(t *testing.T) {
	r := open(t, write(t, 5000, 120, true))
	var err error
	for n := 0; err == nil; n++ {
		if n == 3 {
			if err := r.child.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		_, err = r.Read(t.Context(), 1, 4096)
	}
	wantKilled(t, r, err, "")
}

// TestCancel: the context of Open ends the child, that of a question only the
// waiting.
func TestCancel(t *testing.T) {
	path := write(t, 10, 10, true)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	impatient, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.Read(impatient, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a question that nobody waits for: %v", err)
	}
	if evs, err := r.Read(t.Context(), 1, 1); err != nil || len(evs) != 1 {
		t.Errorf("the next question: %v", err)
	}
	cancel()
	select {
	case <-r.child.exited:
	case <-time.After(20 * time.Second):
		t.Fatal("the child lives on")
	}
	wantGone(t, r)
	if _, err := r.Read(t.Context(), 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	for _, path := range []string{write(t, 10, 10, true), unsealed(t, 10, 10)} {
		r := open(t, path)
		if r.child.cmd.Process.Pid < 2 {
			t.Fatal("no child")
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		wantGone(t, r)
		if code := r.child.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("the child ended with %v: %s", r.child.cmd.ProcessState, r.child.stderr.String())
		}
	}
}

// TestAbsurd has sqlite3 write what no relay would.
func TestAbsurd(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("this test needs sqlite3: install the Debian package sqlite3")
	}
	good, err := os.ReadFile(write(t, 40, 100, true))
	if err != nil {
		t.Fatal(err)
	}
	for name, statements := range map[string]string{
		"huge output":     "UPDATE event SET data = zeroblob(100000000) WHERE seq = 4",
		"huge salt":       "UPDATE event SET salt = zeroblob(100000000) WHERE seq = 4",
		"huge leaf":       "UPDATE event SET leaf = printf('%.*c', 50000000, 'x') WHERE seq = 4",
		"huge checkpoint": "UPDATE checkpoint SET hashes = zeroblob(100000000)",
		"many marks":      "WITH RECURSIVE c(n) AS (SELECT 1000 UNION ALL SELECT n+1 FROM c WHERE n < 1017) INSERT INTO checkpoint SELECT n, 'x', x'', zeroblob(4000000) FROM c",
		"last number":     "INSERT INTO event VALUES (9223372036854775807, '{}', NULL, NULL)",
		"first number":    "INSERT INTO event VALUES (-9223372036854775808, '{}', NULL, NULL)",
		"endless view":    "DROP TABLE event; CREATE VIEW event AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT n AS seq, 'x' AS leaf FROM c",
		"huge view":       "DROP TABLE checkpoint; CREATE VIEW checkpoint AS SELECT 1 AS size, 'x' AS note, x'00' AS edge, zeroblob(900000000) AS hashes",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.caisey")
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("sqlite3", path, statements).CombinedOutput(); err != nil {
				t.Fatalf("sqlite3: %v\n%s", err, out)
			}
			if err := through(t, path); err == nil {
				t.Error("nothing is wrong")
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %q", err)
			}
		})
	}
}

// through reads all of a record and returns what was wrong.
func through(t *testing.T, path string) error {
	r, err := Open(t.Context(), path)
	if err != nil {
		if strings.Contains(t.Name(), "view") && !errors.Is(err, sqlitefile.ErrNotRecord) {
			t.Errorf("error is %v", err)
		}
		return err
	}
	defer r.Close()
	report, err := verify.Record(t.Context(), r, verify.Options{})
	if err != nil {
		return err
	}
	if report.Wrong > 0 {
		return fmt.Errorf("%d problems", report.Wrong)
	}
	return sessionlog.Replay(t.Context(), r, func(sessionlog.Event) error { return nil })
}
