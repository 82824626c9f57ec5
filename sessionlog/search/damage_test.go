package search_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/search"
)

// filled is a world with records that say something.
func filled(t testing.TB) (*world, []sessionlog.SessionID) {
	w := newWorld(t, search.Config{})
	var ids []sessionlog.SessionID
	for i := range 30 {
		id := w.session("acme", "ana")
		step := sessionlog.NewStepID()
		w.append(id, requested(step, fmt.Sprintf("cat /var/log/%d", i)))
		for j := range 20 {
			w.append(id, output(sessionlog.NewStepID(), sessionlog.Stdout, fmt.Sprintf("word%d-%d common text\n", i, j))...)
		}
		w.catchUp(id, 7)
		ids = append(ids, id)
	}
	return w, ids
}

func TestDamagedIndexIsBegunAnew(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"garbage":       func(b []byte) []byte { return []byte(strings.Repeat("not a database ", 1000)) },
		"cut":           func(b []byte) []byte { return b[:len(b)/2] },
		"cut in header": func(b []byte) []byte { return b[:50] },
		"zeroed schema": func(b []byte) []byte { clear(b[100:4096]); return b },
		"other version": func(b []byte) []byte { b[63]++; return b },
		"other program": func(b []byte) []byte { b[68]++; return b },
	} {
		t.Run(name, func(t *testing.T) {
			w, ids := filled(t)
			if err := w.index.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(w.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(w.path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			said := ""
			w.cfg.Logf = func(format string, args ...any) { said = fmt.Sprintf(format, args...) }
			w.reopen()
			if pos, err := w.index.Position(ids[3]); err != nil || pos != 0 {
				t.Fatalf("position in new index: %d, %v", pos, err)
			}
			if !strings.Contains(said, "anew") {
				t.Errorf("nothing was said of it: %q", said)
			}
			w.catchUp(ids[3], 100)
			if got := w.lines("word3-7"); len(got) != 1 {
				t.Errorf("after rebuild: %q", got)
			}
		})
	}
}

// TestDamageWithinIsFound overwrites pages in the middle of the file, which Open
// does not read: whatever is asked then either answers or says ErrDamaged, and
// after that Close and Open begin anew.
func TestDamageWithinIsFound(t *testing.T) {
	w, ids := filled(t)
	if err := w.index.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for page := 1; page*4096 < len(whole); page++ {
		b := append([]byte(nil), whole...)
		for i := range 4096 {
			b[page*4096+i] = 0xa5
		}
		if err := os.WriteFile(w.path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		w.reopen()
		_, err := w.index.Find(t.Context(), search.Query{Text: "common", Clients: []string{"acme"}}, w.open)
		for _, id := range ids {
			if err != nil {
				break
			}
			w.append(id, note("one more"))
			var pos sessionlog.Seq
			if pos, err = w.index.Position(id); err == nil {
				evs, _ := w.logs[id].Read(t.Context(), pos+1, 1000)
				err = w.index.Add(t.Context(), w.recs[id], evs)
			}
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, search.ErrDamaged) {
			t.Errorf("page %d: %v", page, err)
		}
		found++
		w.reopen()
		if pos, err := w.index.Position(ids[0]); err != nil || pos != 0 {
			t.Errorf("page %d: after damage was found: %d, %v", page, pos, err)
		}
	}
	if found == 0 {
		t.Error("no damage was ever found")
	}
}

func TestAddTwiceIsAddOnce(t *testing.T) {
	w := newWorld(t, search.Config{})
	id := w.session("acme", "ana")
	step := sessionlog.NewStepID()
	w.append(id, note("once"))
	w.append(id, output(step, sessionlog.Stdout, "once upon\na ti", "me\n")...)
	evs, err := w.logs[id].Read(t.Context(), 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]sessionlog.Event{evs[:1], evs[:2], evs[:2], evs, evs[1:], nil} {
		if err := w.index.Add(t.Context(), w.recs[id], part); err != nil {
			t.Fatal(err)
		}
	}
	if hits := w.find(search.Query{Text: "once"}).Hits; len(hits) != 2 {
		t.Errorf("%+v", hits)
	}
	if got := w.lines("a time"); len(got) != 1 {
		t.Errorf("%q", got)
	}
	late := append([]sessionlog.Event(nil), evs[2])
	late[0].Seq = 9
	if err := w.index.Add(t.Context(), w.recs[id], late); err == nil {
		t.Error("events were left out and nothing was said")
	}
	if pos, err := w.index.Position(id); err != nil || pos != 3 {
		t.Errorf("position %d, %v", pos, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.append(id, note("cancelled"))
	evs, _ = w.logs[id].Read(t.Context(), 4, 1)
	if err := w.index.Add(ctx, w.recs[id], evs); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled add: %v", err)
	}
	w.catchUp(id, 100)
	if got := w.lines("cancelled"); len(got) != 1 {
		t.Errorf("after a cancelled add: %q", got)
	}
}

const crashEnv = "CAISEY_SEARCH_CRASH"

// crashEvents are those that the child adds, and the parent after it.
func crashEvents() (search.Record, fixed) {
	rec := search.Record{Session: "01J00000000000000000000000", Client: "acme", Endpoint: "db01", Technician: "ana"}
	var evs fixed
	var off int64
	for i := range 4000 {
		data := fmt.Appendf(nil, "line %d begins\nand partial %d ", i, i)
		ev := sessionlog.NewOutput("agent:acme/db01", "01J00000000000000000000001", sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: data})
		ev.Seq, ev.Time = sessionlog.Seq(i+1), start.Add(time.Duration(i)*time.Second)
		evs = append(evs, ev)
		off += int64(len(data))
	}
	return rec, evs
}

// TestCrash kills a process while it adds, again and again, and finds every line
// exactly once in the end.
func TestCrash(t *testing.T) {
	if path := os.Getenv(crashEnv); path != "" {
		crash(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "search.db")
	rec, evs := crashEvents()
	for range 8 {
		killAdding(t, path, rand.N(60*time.Millisecond))
	}
	x, err := search.Open(path, search.Config{Logf: t.Errorf})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	pos, err := x.Position(rec.Session)
	if err != nil || pos == 0 {
		t.Fatalf("position after crashes: %d, %v", pos, err)
	}
	t.Logf("crashes left it at %d of %d", pos, len(evs))
	if err := x.Add(t.Context(), rec, evs); err != nil {
		t.Fatal(err)
	}
	open := func(context.Context, string, sessionlog.SessionID) (sessionlog.Reader, func(), error) {
		return evs, func() {}, nil
	}
	for i := 0; i < len(evs); i += 37 {
		for text, want := range map[string]int{
			fmt.Sprintf("partial %d line %d begins", i-1, i): i + 1, // lies in two events
			fmt.Sprintf("line %d begins", i):                 i + 1,
		} {
			if i == 0 {
				continue
			}
			q := search.Query{Text: text, Clients: []string{"acme"}}
			res, err := x.Find(t.Context(), q, open)
			if err != nil || len(res.Hits) != 1 {
				t.Fatalf("%q: %+v, %v", text, res, err)
			}
			if seq := int(res.Hits[0].Seq); seq != want && seq != want-1 {
				t.Errorf("%q is at %d, not at %d", text, seq, want)
			}
		}
	}
}

// killAdding starts a process that adds, and kills it some time after its first
// commit.
func killAdding(t *testing.T, path string, after time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrash$")
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "adding\n" {
		t.Errorf("child said %q, %v", line, err)
	}
	<-time.After(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	io.Copy(io.Discard, out)
	cmd.Wait() // it was killed
}

func crash(t *testing.T, path string) {
	rec, evs := crashEvents()
	x, err := search.Open(path, search.Config{})
	if err != nil {
		t.Fatal(err)
	}
	pos, err := x.Position(rec.Session)
	if err != nil {
		t.Fatal(err)
	}
	for i := int(pos); ; i += 3 {
		if i > len(evs) { // stay until killed
			select {}
		}
		if err := x.Add(t.Context(), rec, evs[i:min(i+3, len(evs))]); err != nil {
			t.Fatal(err)
		}
		if i == int(pos) {
			fmt.Println("adding")
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	w, ids := filled(t)
	var wg sync.WaitGroup
	open := func(_ context.Context, _ string, id sessionlog.SessionID) (sessionlog.Reader, func(), error) {
		return w.logs[id], func() {}, nil
	}
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				text := fmt.Sprintf("word%d-", i)
				res, err := w.index.Find(t.Context(), search.Query{Text: text, Clients: []string{"acme"}}, open)
				if err != nil || len(res.Hits) != 20 {
					t.Errorf("%q: %d hits, %v", text, len(res.Hits), err)
				}
			}
		})
	}
	rec, evs := crashEvents()
	wg.Go(func() {
		for i := 0; i < 300; i += 10 {
			if err := w.index.Add(t.Context(), rec, evs[i:i+10]); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		if err := w.index.Forget(ids[20]); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if err := w.index.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.index.Find(t.Context(), search.Query{Text: "x", Clients: []string{"acme"}}, open); !errors.Is(err, search.ErrClosed) {
		t.Errorf("find after close: %v", err)
	}
	if _, err := w.index.Position(ids[0]); !errors.Is(err, search.ErrClosed) {
		t.Errorf("position after close: %v", err)
	}
}

func TestFindCanBeCancelled(t *testing.T) {
	w, _ := filled(t)
	ctx, cancel := context.WithCancel(t.Context())
	open := func(context.Context, string, sessionlog.SessionID) (sessionlog.Reader, func(), error) {
		cancel()
		return nil, nil, ctx.Err()
	}
	if _, err := w.index.Find(ctx, search.Query{Text: "common", Clients: []string{"acme"}}, open); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled find: %v", err)
	}
	if got := w.lines("word1-1"); len(got) == 0 {
		t.Error("nothing is found after a cancelled find")
	}
}

// FuzzFind gives Find any text: it is refused before the index is asked, or it
// is searched; and the line that holds it is found by it.
func FuzzFind(f *testing.F) {
	for _, s := range []string{
		"dc-02", `"`, `a"b`, "a*", "NEAR/2 x", "a OR b", "-x", "(a)", "text:a", "a AND", "NOT", `C:\Program Files`,
		"ü", "'; DROP TABLE word", "a\x00b", "\x1b[1mx", "^a", "a\u200bb", "İstanbul", "ǅ", "x\u00a0y", "a\xff", "1", "日本",
	} {
		f.Add(s)
	}
	w := newWorld(f, search.Config{})
	f.Fuzz(func(t *testing.T, s string) {
		w.t = t
		id := w.session("acme", "ana")
		defer func() {
			if err := w.index.Forget(id); err != nil {
				t.Error(err)
			}
		}()
		w.append(id, output(sessionlog.NewStepID(), sessionlog.Stdout, "x "+s+" y\n", "other\n")...)
		w.catchUp(id, 100)
		res, err := w.index.Find(t.Context(), search.Query{Text: s, Clients: []string{"acme"}}, w.open)
		switch {
		case errors.Is(err, search.ErrNoWord) || err != nil && strings.Contains(err.Error(), "search: search text"):
		case err != nil:
			t.Fatalf("%q: %v", s, err)
		case len(res.Skipped) > 0:
			t.Fatalf("%q: %v", s, res.Skipped)
		case len(res.Hits) == 0 && !strings.ContainsAny(s, "\x1b\r\n"):
			t.Fatalf("%q is not found", s)
		}
	})
}
