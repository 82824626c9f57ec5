package foreign

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
	"github.com/caisey/caisey/sessionlog/verify"
)

// A reader is what both kinds of Record are.
type reader interface {
	sessionlog.Reader
	verify.Source
}

func open(tb testing.TB, path string) *Record {
	tb.Helper()
	r, err := Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	return r
}

// everything reads all that r has, in every way.
func everything(tb testing.TB, r reader) []any {
	tb.Helper()
	all := []any{r.Head()}
	ctx := tb.Context()
	add := func(v any, err error) {
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, v)
	}
	for _, from := range []sessionlog.Seq{0, 1, 2, 700, r.Head().Seq, r.Head().Seq + 1} {
		for _, limit := range []int{0, 1, 100, 1 << 20} {
			v1, err := r.Read(ctx, from, limit)
			add(v1, err)
			v2, err := r.Outline(ctx, from, limit)
			add(v2, err)
			v3, err := r.Rows(ctx, from, limit)
			add(v3, err)
			v4, err := r.Marks(ctx, from, limit)
			add(v4, err)
		}
	}
	add(r.Wait(ctx, 0))
	report, err := verify.Record(ctx, r, verify.Options{})
	add(report, err)
	return all
}

// TestSame: a Record is what sqlitefile has of the same file.
func TestSame(t *testing.T) {
	for name, path := range map[string]string{
		"sealed": write(t, 1500, 120, true), "unsealed": unsealed(t, 1500, 120),
		"large": write(t, 40, 200_000, true), "large unsealed": unsealed(t, 40, 200_000),
		"one event": unsealed(t, 1, 1),
	} {
		t.Run(name, func(t *testing.T) {
			direct, err := sqlitefile.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer direct.Close()
			want, got := everything(t, direct), everything(t, open(t, path))
			for i := range want {
				if !reflect.DeepEqual(want[i], got[i]) {
					t.Errorf("%d: %T differs:\n%.300v\n%.300v", i, want[i], want[i], got[i])
				}
			}
		})
	}
}

// TestLive reads a record that another process writes: this one.
func TestLive(t *testing.T) {
	r := open(t, write(t, 10, 10, false))
	if evs, err := r.Read(t.Context(), 1, 100); err != nil || len(evs) != 10 || r.Head() != (sessionlog.Head{Seq: 10}) {
		t.Errorf("%v, %d events, %v", r.Head(), len(evs), err)
	}
}

// TestUnsealed: the index that SQLite makes of a WAL of many pages fits into the
// limits.
func TestUnsealed(t *testing.T) {
	path := unsealed(t, 20_000, 120)
	r := open(t, path)
	if got := r.Head().Seq; got != 20_000 {
		t.Errorf("head is %d", got)
	}
	n := 0
	if err := sessionlog.Replay(t.Context(), r, func(sessionlog.Event) error { n++; return nil }); err != nil || n != 20_000 {
		t.Errorf("%d events, %v", n, err)
	}
}

func TestWait(t *testing.T) {
	live := open(t, unsealed(t, 10, 10))
	if h, err := live.Wait(t.Context(), 9); err != nil || h.Seq != 10 {
		t.Errorf("%v, %v", h, err)
	}
	if _, err := live.Wait(t.Context(), 10); !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("nothing follows: %v", err)
	}
}

func TestRelativePath(t *testing.T) {
	path := write(t, 10, 10, true)
	t.Chdir(filepath.Dir(path))
	if got := open(t, filepath.Base(path)).Head(); got != (sessionlog.Head{Seq: 11, Sealed: true}) {
		t.Errorf("head is %v", got)
	}
}

// TestConcurrent reads one file through two Records, from several goroutines.
func TestConcurrent(t *testing.T) {
	path := write(t, 3000, 120, true)
	var wg sync.WaitGroup
	for range 2 {
		r := open(t, path)
		for range 3 {
			wg.Go(func() {
				n := 0
				if err := sessionlog.Replay(t.Context(), r, func(sessionlog.Event) error { n++; return nil }); err != nil || n != 3001 {
					t.Errorf("%d events, %v", n, err)
				}
			})
		}
	}
	wg.Wait()
}

// TestErrors: what is wrong with a file is said as sqlitefile says it, and is the
// same for a program.
func TestErrors(t *testing.T) {
	good, err := os.ReadFile(write(t, 10, 10, true))
	if err != nil {
		t.Fatal(err)
	}
	other := append([]byte(nil), good...)
	copy(other[68:], "GIMP")
	newer := append([]byte(nil), good...)
	newer[63] = 9
	dir := t.TempDir()
	for name, b := range map[string][]byte{
		"empty": {}, "garbage": []byte("dear diary\n"), "cut": good[:len(good)/2], "other": other, "newer": newer,
		"new\nline\x1b[2J": []byte("x"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	makePipe(t, filepath.Join(dir, "pipe"))
	for _, name := range []string{"", "missing", "empty", "garbage", "cut", "other", "newer", "pipe", "new\nline\x1b[2J", "no/such"} {
		path := filepath.Join(dir, name)
		_, want := sqlitefile.OpenFile(path)
		_, got := Open(t.Context(), path)
		if got == nil || want == nil {
			t.Fatalf("%q: %v, %v", name, got, want)
		}
		if text := clean(want.Error(), maxFault); got.Error() != text || strings.ContainsAny(got.Error(), "\n\x1b") {
			t.Errorf("%q: %q, not %q", name, got, text)
		}
		for _, is := range []error{sqlitefile.ErrNotRecord, os.ErrNotExist, os.ErrPermission} {
			if errors.Is(got, is) != errors.Is(want, is) {
				t.Errorf("%q: errors.Is(%v, %v) is %t", name, got, is, errors.Is(got, is))
			}
		}
		var a, b *sqlitefile.FormatError
		if errors.As(got, &a) != errors.As(want, &b) || a != nil && *a != *b {
			t.Errorf("%q: %v, not %v", name, a, b)
		}
	}
}

func TestClosed(t *testing.T) {
	r := open(t, write(t, 10, 10, true))
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(t.Context(), 1, 1); !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, r.path); !errors.Is(err, context.Canceled) {
		t.Errorf("open with a context that ended: %v", err)
	}
}
