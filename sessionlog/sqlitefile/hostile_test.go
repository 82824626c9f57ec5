package sqlitefile

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// TestNotARecord: each is refused in one clear line, by both ways to open.
func TestNotARecord(t *testing.T) {
	d := newDir(t, Config{})
	good, err := os.ReadFile(sealed(t, d))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(f func(b []byte)) []byte {
		b := append([]byte(nil), good...)
		f(b)
		return b
	}
	for _, c := range []struct {
		name, say string
		file      []byte
	}{
		{"empty", "file is empty", nil},
		{"text", "not a SQLite file", []byte("hello, this is no record\n")},
		{"short", "ends after 60 bytes", good[:60]},
		{"cut", "its header says", good[:len(good)-4096]},
		{"cut in a page", "its header says", good[:len(good)-1]},
		{"longer", "its header says", append(append([]byte(nil), good...), 0)},
		{"other application", "application_id 0x00000007, a Caisey record has 0x43534559", edit(func(b []byte) { binary.BigEndian.PutUint32(b[68:], 7) })},
		{"newer", "version 9, this program knows version 2", edit(func(b []byte) { binary.BigEndian.PutUint32(b[60:], 9) })},
		{"page size", "header is damaged", edit(func(b []byte) { b[16] = 0x20 })},
		{"journal mode", "header is damaged", edit(func(b []byte) { b[18] = 3 })},
		{"wiped", "", edit(func(b []byte) { clear(b[100:]) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := sessionlog.NewSessionID()
			path := filepath.Join(d.path, "acme", fileName(id))
			writeFile(t, path, c.file)
			r, err1 := OpenFile(path)
			_, err2 := d.Open(t.Context(), "acme", id)
			for _, err := range []error{err1, err2} {
				if err == nil {
					t.Fatal("opened")
				}
				if c.say != "" && !errors.Is(err, ErrNotRecord) || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error is %q, want %q in it", err, c.say)
				}
			}
			_ = r
		})
	}
	var fe *FormatError
	if _, err := OpenFile(d.path); !errors.Is(err, ErrNotRecord) || errors.As(err, &fe) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := OpenFile(filepath.Join(d.path, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// hostile makes a record with statements that we never run.
func hostile(t *testing.T, statements string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.caisey")
	copyFile(t, sealed(t, newDir(t, Config{})), path)
	c, err := openConn(path, "rw", false)
	if err != nil {
		t.Fatal(err)
	}
	c.c.SetLimit(0, 1<<30)
	if err := errors.Join(c.exec(statements), c.close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHostileSchema: nothing in a file runs, whatever it is called.
func TestHostileSchema(t *testing.T) {
	for name, statements := range map[string]string{
		"view":          "DROP TABLE checkpoint; CREATE VIEW checkpoint AS SELECT 1 AS size, 'x' AS note, x'00' AS edge, zeroblob(900000000) AS hashes",
		"endless view":  "DROP TABLE event; CREATE VIEW event AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT n AS seq, 'x' AS leaf FROM c",
		"extra table":   "CREATE TABLE more (x)",
		"trigger":       "CREATE TRIGGER t AFTER INSERT ON event BEGIN SELECT 1; END",
		"missing table": "DROP TABLE checkpoint",
		"other text":    "DROP TABLE checkpoint; CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT)",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := OpenFile(hostile(t, statements)); !errors.Is(err, ErrNotRecord) || !strings.Contains(err.Error(), "schema") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestHostileRows: what is read is what leaves commit to, or an error.
func TestHostileRows(t *testing.T) {
	for name, statements := range map[string]string{
		"output changed":   "UPDATE event SET data = x'00010203' WHERE seq = 4",
		"output shortened": "UPDATE event SET data = x'00' WHERE seq = 4",
		"output missing":   "UPDATE event SET data = NULL, salt = NULL WHERE seq = 4",
		"salt changed":     "UPDATE event SET salt = zeroblob(16) WHERE seq = 4",
		"output huge":      "UPDATE event SET data = zeroblob(100000000) WHERE seq = 4",
		"event missing":    "DELETE FROM event WHERE seq = 3",
		"first missing":    "DELETE FROM event WHERE seq = 1",
		"event renumbered": "DELETE FROM event WHERE seq = 2; UPDATE event SET seq = 2 WHERE seq = 3",
		"leaf changed":     "UPDATE event SET leaf = replace(leaf, 'stdout', 'stdOut') WHERE seq = 4",
		"leaf no JSON":     "UPDATE event SET leaf = leaf || ' ' WHERE seq = 2",
	} {
		t.Run(name, func(t *testing.T) {
			r, err := OpenFile(hostile(t, statements))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := sessionlog.Replay(t.Context(), r, func(sessionlog.Event) error { return nil }); err == nil {
				t.Error("read without error")
			}
		})
	}
}

// FuzzOpenFile: any bytes are a record that reads, or an error.
func FuzzOpenFile(f *testing.F) {
	good, err := os.ReadFile(sealed(f, newDir(f, Config{})))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{})
	f.Add(uint32(100), []byte{13, 0, 0, 0, 9})
	f.Add(uint32(4096), []byte{5, 0xff, 0xff})
	f.Add(uint32(len(good)-20), []byte("xyz"))
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		b := append([]byte(nil), good...)
		copy(b[int(at)%len(b):], with)
		path := filepath.Join(t.TempDir(), "x.caisey")
		writeFile(t, path, b)
		r, err := OpenFile(path)
		if err != nil {
			return
		}
		defer r.Close()
		_ = sessionlog.Replay(t.Context(), r, sessionlog.VerifyChunk)
	})
}
