package verify_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
	"github.com/caisey/caisey/sessionlog/verify"
)

func TestWhole(t *testing.T) {
	m := makeRecord(t, 30)
	for name, trust := range map[string]note.Verifier{"given": m.relay, "named": nil} {
		r, err := check(t, m.path, verify.Options{Trust: trust})
		if err != nil || r.Wrong > 0 {
			t.Fatalf("key %s: %v, %v", name, r.Problems, err)
		}
		if !r.Sealed || r.Signed != r.Events || r.Events != sessionlog.Seq(len(m.events)) || r.Trusted != (trust != nil) ||
			r.Ended != 30 || r.Stated != 30 || r.Gaps != 10 || r.Left != 6000 || string(r.Session)+sqlitefile.Ext != filepath.Base(m.path) {
			t.Errorf("key %s: %+v", name, r)
		}
	}
}

// TestTamper: what somebody with sqlite3 can do to a record, and which event is
// told to be wrong. Sequence numbers are those of makeRecord.
func TestTamper(t *testing.T) {
	m := makeRecord(t, 6)
	const renumber = "UPDATE event SET seq = -seq WHERE seq > 8; UPDATE event SET seq = -seq %s, leaf = replace(leaf, '\"seq\":' || -seq, '\"seq\":' || (-seq %s)) WHERE seq < 0"
	shift := func(by string) string { return strings.ReplaceAll(renumber, "%s", by) }
	for name, c := range map[string]struct {
		statements string
		says       string
	}{
		"other actor":      {"UPDATE event SET leaf = replace(leaf, 'technician:ana', 'technician:eve') WHERE seq = 2", "event 2: it is not what was signed"},
		"other command":    {"UPDATE event SET leaf = replace(leaf, 'journalctl', 'rm -rf /var') WHERE seq = 7", "event 7: it is not what was signed"},
		"other time":       {"UPDATE event SET leaf = replace(leaf, '\"time\":\"20', '\"time\":\"19') WHERE seq = 3", "event 3: it is not what was signed"},
		"other output":     {"UPDATE event SET data = CAST(replace(CAST(data AS TEXT), 'line', 'lime') AS BLOB) WHERE seq = 4", "event 4: its output is not what was recorded"},
		"one line gone":    {"UPDATE event SET data = CAST(replace(CAST(data AS TEXT), ' two of it' || char(10), '') AS BLOB) WHERE seq = 5", "event 5: its output is not what was recorded"},
		"output swapped":   {"CREATE TEMP TABLE x AS SELECT * FROM event WHERE seq = 4; UPDATE event SET (data, salt) = (SELECT data, salt FROM event WHERE seq = 9) WHERE seq = 4; UPDATE event SET (data, salt) = (SELECT data, salt FROM x) WHERE seq = 9", "event 9: its output is not what was recorded"},
		"output gone":      {"UPDATE event SET data = NULL, salt = NULL WHERE seq = 4", "event 4: its output is missing"},
		"event gone":       {"DELETE FROM event WHERE seq = 8", "event 8: it is missing"},
		"events gone":      {"DELETE FROM event WHERE seq BETWEEN 8 AND 10", "events 8 to 10: they are missing"},
		"gone, renumbered": {"DELETE FROM event WHERE seq = 8; " + shift("- 1"), "event 8: it is not what was signed"},
		"put in":           {shift("+ 1") + "; INSERT INTO event SELECT 9, replace(leaf, '\"seq\":2,', '\"seq\":9,'), salt, data FROM event WHERE seq = 2", "event 9: it is not what was signed"},
		"swapped":          {"UPDATE event SET seq = 900 WHERE seq = 2; UPDATE event SET seq = 2 WHERE seq = 3; UPDATE event SET seq = 3 WHERE seq = 900", "event 2: it has another number in its leaf"},
		"swapped well": {"CREATE TEMP TABLE x AS SELECT * FROM event WHERE seq IN (2, 3); DELETE FROM event WHERE seq IN (2, 3); " +
			"INSERT INTO event SELECT 5 - seq, replace(leaf, '\"seq\":' || seq || ',', '\"seq\":' || (5 - seq) || ','), salt, data FROM x", "event 3: it is not what was signed"},
		"end gone":        {"DELETE FROM event WHERE seq > 20", "the record ends before"},
		"end gone, signs": {"DELETE FROM event WHERE seq > 20; DELETE FROM checkpoint WHERE size > 20", ""},
		"unsigned end":    {"DELETE FROM checkpoint WHERE size > 20", "the record is sealed, and only its first"},
		"hashes too": {"UPDATE event SET leaf = replace(leaf, 'looks', 'seems') WHERE leaf LIKE '%looks%'; " +
			"UPDATE checkpoint SET hashes = zeroblob(length(hashes))", "at least one is not what was signed"},
		"hashes only":  {"UPDATE checkpoint SET hashes = zeroblob(length(hashes))", "the hashes kept with it are damaged"},
		"edge only":    {"UPDATE checkpoint SET edge = zeroblob(length(edge))", "the edge kept with it is damaged"},
		"note of size": {"UPDATE checkpoint SET note = replace(note, char(10), char(10) || '1')", "checkpoint at"},
		"other key":    {"UPDATE event SET leaf = replace(leaf, '\"relay_key\":\"relay.example', '\"relay_key\":\"relay.evil') WHERE seq = 1", "event 1: it is not what was signed"},
	} {
		t.Run(name, func(t *testing.T) {
			path := m.copyTo(t, t.TempDir())
			sql(t, path, c.statements)
			r, err := check(t, path, verify.Options{Trust: m.relay})
			if c.says == "" { // only a checkpoint kept elsewhere can tell
				if err != nil || r.Wrong > 0 || r.Signed > 20 {
					t.Errorf("%+v, %v", r, err)
				}
				whole, err := check(t, m.path, verify.Options{Trust: m.relay})
				if err != nil {
					t.Fatal(err)
				}
				r, err = check(t, path, verify.Options{Trust: m.relay, Against: whole.Checkpoint})
				if err != nil || r.Wrong == 0 || !strings.Contains(r.Problems[0].String(), "it was cut off") {
					t.Errorf("against the kept checkpoint: %+v, %v", r, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(r.Problems, func(p verify.Problem) bool { return strings.Contains(p.String(), c.says) }) {
				t.Errorf("%d problems, none says %q: %v", r.Wrong, c.says, r.Problems)
			}
		})
	}
}

// A history that was written anew, and signed, is told by a kept checkpoint.
func TestFork(t *testing.T) {
	a, b := makeRecord(t, 3), makeRecord(t, 5)
	kept, err := check(t, a.path, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := check(t, b.path, verify.Options{Against: kept.Checkpoint})
	if err != nil || r.Wrong != 1 || !strings.Contains(r.Problems[0].What, "the kept checkpoint is of") {
		t.Errorf("a checkpoint of another record: %+v, %v", r, err)
	}
	signer, _, _ := newKey(t)
	other := sessionlog.Checkpoint{Origin: sessionlog.Origin(signer.Name(), kept.Session), Size: 5, Root: sessionlog.LeafHash([]byte("other"))}
	signed, err := other.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	r, err = check(t, a.path, verify.Options{Against: signed})
	if err != nil || r.Wrong != 1 || !strings.Contains(r.Problems[0].What, "are not those of the kept checkpoint") {
		t.Errorf("another history: %+v, %v", r, err)
	}
	r, err = check(t, a.path, verify.Options{Trust: b.relay})
	if err != nil || r.Wrong == 0 || r.Signed != 0 {
		t.Errorf("a record that another relay signed: %+v, %v", r, err)
	}
}

// content is all that a record says, as its readers get it.
func content(t *testing.T, path string) (string, error) {
	rec, err := sqlitefile.OpenFile(path)
	if err != nil {
		return "", err
	}
	defer rec.Close()
	var b strings.Builder
	for from := sessionlog.Seq(1); ; {
		rows, err := rec.Rows(t.Context(), from, 1024)
		if err != nil {
			return "", err
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			b.Write(row.Leaf)
			b.Write(row.Salt)
			b.Write(row.Data)
		}
		from = rows[len(rows)-1].Seq + 1
	}
	return b.String(), nil
}

// TestDamage: of random damage to a file, that which changes what it says is
// found, every time. CAISEY_LONG makes it 10,000 damages instead of 1,500, -short
// 200.
func TestDamage(t *testing.T) {
	m := makeRecord(t, 60)
	good, err := os.ReadFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := content(t, m.path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(m.path))
	n := 1500
	switch {
	case os.Getenv("CAISEY_LONG") != "":
		n = 10_000
	case testing.Short():
		n = 200
	}
	var refused, found, harmless int
	for seed := range n {
		rng := rand.New(rand.NewPCG(uint64(seed), 7))
		if err := os.WriteFile(path, damage(rng, good), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := check(t, path, verify.Options{Trust: m.relay})
		switch {
		case err != nil:
			refused++
			continue
		case r.Wrong > 0:
			found++
			continue
		}
		if got, err := content(t, path); err != nil || got != want {
			t.Errorf("seed %d: the content changed, and nothing is found (%v)", seed, err)
		}
		harmless++
	}
	t.Logf("%d damages: %d refused or unreadable, %d found, %d without a change of content", n, refused, found, harmless)
	if found == 0 || refused == 0 || harmless == 0 {
		t.Error("the damages are all of one kind")
	}
}

// damage returns a copy of b with bits flipped, pages swapped or the end cut off.
func damage(rng *rand.Rand, b []byte) []byte {
	const page = 4096
	b = slices.Clone(b)
	switch rng.IntN(8) {
	case 0:
		return b[:rng.IntN(len(b))]
	case 1:
		x, y := rng.IntN(len(b)/page)*page, rng.IntN(len(b)/page)*page
		for i := range page {
			b[x+i], b[y+i] = b[y+i], b[x+i]
		}
	case 2:
		at := rng.IntN(len(b) - 64)
		clear(b[at : at+64])
	default:
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
	}
	return b
}

// What nobody signed is never called whole, however it is made.
func TestForged(t *testing.T) {
	m := makeRecord(t, 3)
	for name, c := range map[string]struct{ statements, says string }{
		"nothing signed":  {"DELETE FROM checkpoint; DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)", "nothing in the record is signed"},
		"name of session": {"UPDATE event SET leaf = replace(leaf, '\"session\":\"', '\"session\":\"x\\nwhole and unchanged') WHERE seq = 1", "is no ID"},
	} {
		path := m.copyTo(t, t.TempDir())
		sql(t, path, c.statements)
		r, err := check(t, path, verify.Options{Trust: m.relay})
		if err != nil || !slices.ContainsFunc(r.Problems, func(p verify.Problem) bool { return strings.Contains(p.String(), c.says) }) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if r, err := check(t, m.path, verify.Options{Trust: m.relay, Session: sessionlog.NewSessionID()}); err != nil || r.Wrong == 0 {
		t.Errorf("a record of another session: %+v, %v", r, err)
	}
}
