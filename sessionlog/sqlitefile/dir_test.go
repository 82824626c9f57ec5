package sqlitefile

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

func TestDir(t *testing.T) {
	ctx := t.Context()
	d := newDir(t, Config{})
	id := sessionlog.NewSessionID()
	log, err := d.Create(ctx, "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(ctx, "acme", id); !errors.Is(err, ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	if _, err := d.Create(ctx, "acme", id); !errors.Is(err, ErrInUse) {
		t.Errorf("second create: %v", err)
	}
	fill(t, log, id)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(ctx, "acme", id); !errors.Is(err, os.ErrExist) {
		t.Errorf("create over a record: %v", err)
	}
	log, err = d.Open(ctx, "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, log); n != 7 {
		t.Errorf("%d events, want 7", n)
	}
	appendAll(t, log, chunkOf(8))
	if _, err := d.Open(ctx, "acme", sessionlog.NewSessionID()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
	if _, err := d.Open(ctx, "other", id); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open under another client: %v", err)
	}
}

// chunkOf goes on with the output of fill.
func chunkOf(off int64) sessionlog.Event {
	return sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: []byte("x")})
}

func TestDirNames(t *testing.T) {
	d := newDir(t, Config{})
	id := sessionlog.NewSessionID()
	for _, client := range []string{"", ".", "..", "-a", "A", "a/b", "../a", "a\x00", "a b", "acme\n", strings.Repeat("a", 64), "é"} {
		if _, err := d.Create(t.Context(), client, id); err == nil {
			t.Errorf("client %q is taken", client)
		}
	}
	for _, bad := range []sessionlog.SessionID{"", "../../x", id + "x", sessionlog.SessionID(strings.ToLower(string(id)))} {
		if _, err := d.Create(t.Context(), "acme", bad); err == nil {
			t.Errorf("session %q is taken", bad)
		}
	}
	if list, err := d.List(); err != nil || len(list) != 0 {
		t.Errorf("list is %v, %v", list, err)
	}
}

func TestDirFollowsNoLink(t *testing.T) {
	d := newDir(t, Config{})
	path := sealed(t, d)
	id := sessionlog.NewSessionID()
	if err := os.Symlink(path, filepath.Join(d.path, "acme", fileName(id))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(d.path, "acme"), filepath.Join(d.path, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), "acme", id); !errors.Is(err, ErrNotRecord) {
		t.Errorf("open through a linked file: %v", err)
	}
	if _, err := d.Open(t.Context(), "link", idOf(path)); !errors.Is(err, ErrNotRecord) {
		t.Errorf("open through a linked directory: %v", err)
	}
	if list, err := d.List(); err != nil || len(list) != 1 {
		t.Errorf("list is %v, %v", list, err)
	}
}

func TestDirList(t *testing.T) {
	d := newDir(t, Config{})
	var want []string
	for _, client := range []string{"acme", "zeta"} {
		for range 3 {
			id := sessionlog.NewSessionID()
			if _, err := d.Create(t.Context(), client, id); err != nil {
				t.Fatal(err)
			}
			want = append(want, client+"/"+string(id))
		}
	}
	writeFile(t, filepath.Join(d.path, "acme", tempPrefix+"x"), nil)
	writeFile(t, filepath.Join(d.path, "acme", "notes.txt"), nil)
	list, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range list {
		if i >= len(want) || e.Client+"/"+string(e.ID) != want[i] || e.Size == 0 || e.Path != filepath.Join(d.path, e.Client, fileName(e.ID)) {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	if len(list) != len(want) {
		t.Errorf("%d entries, want %d", len(list), len(want))
	}
}

func TestDirIsOnePlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	d, err := OpenDir(path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(path, Config{}); !errors.Is(err, ErrInUse) { // flock is by descriptor: this is like another process
		t.Errorf("second open: %v", err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "in use by another process") {
		t.Errorf("open by another process: %v: %s", err, out)
	}
	log := create(t, d)
	w := make(chan error)
	go func() {
		_, err := log.Wait(context.Background(), 0)
		w <- err
	}()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-w; !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("wait across the directory's close: %v", err)
	}
	if _, err := d.Create(t.Context(), "acme", sessionlog.NewSessionID()); !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("create after close: %v", err)
	}
	if d, err = OpenDir(path, Config{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
}

func TestDirIsOurs(t *testing.T) {
	path := t.TempDir()
	writeFile(t, filepath.Join(path, "letter.txt"), []byte("x"))
	if _, err := OpenDir(path, Config{}); err == nil || !strings.Contains(err.Error(), "other things") {
		t.Errorf("a directory of other things: %v", err)
	}
	if _, err := OpenDir(filepath.Join(path, "letter.txt"), Config{}); err == nil {
		t.Error("a file is taken as a directory")
	}
	newer := t.TempDir()
	writeFile(t, filepath.Join(newer, markerName), []byte("Session records of a Caisey relay, version 2.\n"))
	if _, err := OpenDir(newer, Config{}); err == nil || !strings.Contains(err.Error(), "not of this version") {
		t.Errorf("a newer directory: %v", err)
	}
}

// Many sessions begin at once, as when a fleet is asked something.
func TestDirCreateMany(t *testing.T) {
	d := newDir(t, Config{})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			id := sessionlog.NewSessionID()
			log, err := d.Create(t.Context(), "acme", id)
			if err != nil {
				t.Error(err)
				return
			}
			fill(t, log, id)
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if list, err := d.List(); err != nil || len(list) != 64 {
		t.Errorf("%d records, %v", len(list), err)
	}
	if names, _ := filepath.Glob(filepath.Join(d.path, "acme", "*")); len(names) != 64 {
		t.Errorf("files %v", names)
	}
}

// What the journal does not have is committed at synchronous=FULL, whatever the
// driver's default is, and the rest at NORMAL.
func TestDurability(t *testing.T) {
	f := create(t, newDir(t, Config{}))
	want := func(query string, want any) {
		t.Helper()
		f.turn <- struct{}{}
		defer func() { <-f.turn }()
		if err := f.s.c.want(query, want); err != nil {
			t.Error(err)
		}
	}
	for query, v := range map[string]any{
		"PRAGMA synchronous": int64(2), "PRAGMA journal_mode": "wal", "PRAGMA page_size": int64(4096),
		"PRAGMA application_id": int64(AppID), "PRAGMA user_version": int64(Version),
		"PRAGMA trusted_schema": int64(0), "PRAGMA cell_size_check": int64(1),
	} {
		want(query, v)
	}
	appendAll(t, f, chunkAt(0, 10))
	flushFile(t, f)
	want("PRAGMA synchronous", int64(1))
	appendAll(t, f, chunkAt(10, directBytes))
	want("PRAGMA synchronous", int64(2))
	want("SELECT count(*) FROM event", int64(2))
}
