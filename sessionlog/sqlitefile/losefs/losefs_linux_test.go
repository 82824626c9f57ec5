package losefs

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mounted returns an empty file system and its two directories.
func mounted(t *testing.T) (f *FS, mount, backing string) {
	t.Helper()
	if err := Check(); err != nil {
		t.Skip(err)
	}
	mount, backing = t.TempDir(), t.TempDir()
	return remount(t, mount, backing), mount, backing
}

func remount(t *testing.T, mount, backing string) *FS {
	t.Helper()
	f, err := Mount(mount, backing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func syncPath(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	must(t, errors.Join(f.Sync(), f.Close()))
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	must(t, err)
	return string(b)
}

// Without a cut nothing is lost.
func TestCloseKeepsAll(t *testing.T) {
	f, mount, backing := mounted(t)
	must(t, os.MkdirAll(filepath.Join(mount, "a", "b"), 0o700))
	must(t, os.WriteFile(filepath.Join(mount, "a", "b", "x"), []byte("text"), 0o600))
	must(t, os.Rename(filepath.Join(mount, "a", "b", "x"), filepath.Join(mount, "a", "b", "y")))
	must(t, os.Link(filepath.Join(mount, "a", "b", "y"), filepath.Join(mount, "z")))
	must(t, os.Truncate(filepath.Join(mount, "z"), 2))
	must(t, f.Close())
	if got := content(t, filepath.Join(backing, "a", "b", "y")) + content(t, filepath.Join(backing, "z")); got != "tete" {
		t.Errorf("%q", got)
	}
	f = remount(t, mount, backing)
	if got := content(t, filepath.Join(mount, "z")); got != "te" {
		t.Errorf("after the next mount: %q", got)
	}
	must(t, os.RemoveAll(filepath.Join(mount, "a")))
	must(t, f.Close())
	if entries, err := os.ReadDir(backing); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// After a cut every change fails, and what was synced is there for every seed.
func TestCutKeepsWhatWasSynced(t *testing.T) {
	for seed := range seeds(20) {
		f, mount, backing := mounted(t)
		path := filepath.Join(mount, "x")
		must(t, os.WriteFile(path, []byte("synced"), 0o600))
		syncPath(t, path)
		syncPath(t, mount)
		f.Cut(seed)
		if !f.IsCut() {
			t.Error("there was no cut")
		}
		if err := os.WriteFile(path, []byte("late"), 0o600); !errors.Is(err, unix.EIO) {
			t.Errorf("a write after the cut: %v", err)
		}
		if err := os.Mkdir(filepath.Join(mount, "late"), 0o700); !errors.Is(err, unix.EIO) {
			t.Errorf("a name after the cut: %v", err)
		}
		if got := content(t, path); got != "synced" {
			t.Errorf("read after the cut: %q", got)
		}
		must(t, f.Close())
		if got := content(t, filepath.Join(backing, "x")); got != "synced" {
			t.Errorf("seed %d: %q", seed, got)
		}
	}
}

// outcomes collects what may be at path after the same was done before cuts of
// many seeds. before is synced, after is not.
func outcomes(t *testing.T, name string, before, after func(mount string)) map[string]int {
	t.Helper()
	got := map[string]int{}
	for seed := range seeds(60) {
		f, mount, backing := mounted(t)
		before(mount)
		after(mount)
		f.Cut(seed)
		must(t, f.Close())
		got[content(t, filepath.Join(backing, name))]++
	}
	return got
}

// A file that is synced may still lose its name, and gain it.
func TestNames(t *testing.T) {
	write := func(name, text string) func(string) {
		return func(mount string) {
			must(t, os.WriteFile(filepath.Join(mount, name), []byte(text), 0o600))
			syncPath(t, filepath.Join(mount, name))
		}
	}
	durable := func(mount string) {
		write("x", "old")(mount)
		syncPath(t, mount)
	}
	for what, c := range map[string]struct {
		before, after func(string)
		want          []string
	}{
		"create": {func(string) {}, write("x", "new"), []string{"none", "new"}},
		"remove": {durable, func(m string) { must(t, os.Remove(filepath.Join(m, "x"))) }, []string{"none", "old"}},
		"rename": {durable, func(m string) {
			write("y", "new")(m)
			must(t, os.Rename(filepath.Join(m, "y"), filepath.Join(m, "x")))
		}, []string{"old", "new"}},
		"link": {func(m string) {
			write("y", "new")(m)
			syncPath(t, m)
		}, func(m string) { must(t, os.Link(filepath.Join(m, "y"), filepath.Join(m, "x"))) }, []string{"none", "new"}},
	} {
		got := outcomes(t, "x", c.before, c.after)
		for _, want := range c.want {
			if got[want] == 0 {
				t.Errorf("%s: never %q: %v", what, want, got)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// A sector is old or new, as a whole, and all three ways to lose are met.
func TestTorn(t *testing.T) {
	const sectors = 8
	before, after := strings.Repeat("a", sectors*sector), strings.Repeat("b", sectors*sector)
	got := outcomes(t, "x", func(mount string) {
		path := filepath.Join(mount, "x")
		must(t, os.WriteFile(path, []byte(before), 0o600))
		syncPath(t, path)
		syncPath(t, mount)
	}, func(mount string) {
		f, err := os.OpenFile(filepath.Join(mount, "x"), os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt([]byte(after), 0)
		must(t, errors.Join(err, f.Close()))
	})
	torn := 0
	for text, n := range got {
		if len(text) != len(before) {
			t.Errorf("%d bytes", len(text))
		}
		for i := 0; i < len(text); i += sector {
			if s := text[i : i+sector]; s != before[:sector] && s != after[:sector] {
				t.Errorf("a sector is torn: %q", s)
			}
		}
		if text != before && text != after {
			torn += n
		}
	}
	if torn == 0 || got[before] == 0 {
		t.Errorf("%d torn, %d dropped", torn, got[before])
	}
}

// Whatever is drawn, a sector and the size are what they were at some time.
func TestLeftIsOfThePast(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		f := file{disk: make([]byte, rng.IntN(3000))}
		f.live = bytes.Clone(f.disk)
		past := [][]byte{bytes.Clone(f.live)}
		for i := range 1 + rng.IntN(6) {
			c := change{off: rng.Int64N(4000)}
			if rng.IntN(3) > 0 {
				c.data = bytes.Repeat([]byte{byte(i + 1)}, 1+rng.IntN(2000))
			}
			f.change(c)
			past = append(past, bytes.Clone(f.live))
		}
		left := f.left(rng)
		sized := false
		for _, p := range past {
			sized = sized || len(p) == len(left)
		}
		for at := 0; at < len(left); at += sector {
			if !ofThePast(left, past, at) {
				t.Fatalf("seed %d: sector at %d", seed, at)
			}
		}
		if !sized {
			t.Fatalf("seed %d: size %d", seed, len(left))
		}
		f.sync()
		if !bytes.Equal(f.disk, f.live) {
			t.Fatalf("seed %d: sync", seed)
		}
	}
}

func ofThePast(left []byte, past [][]byte, at int) bool {
	want := left[at:min(at+sector, len(left))]
	for _, p := range past {
		var was [sector]byte
		copy(was[:], p[min(at, len(p)):])
		if bytes.Equal(want, was[:len(want)]) {
			return true
		}
	}
	return false
}

// The cut comes in the n-th operation: what was done before has an answer, and
// that and all after has none.
func TestCutAt(t *testing.T) {
	f, mount, _ := mounted(t)
	file, err := os.Create(filepath.Join(mount, "x"))
	must(t, err)
	f.CutAt(3, 1)
	for i := range 5 {
		_, err := file.WriteAt([]byte("text"), int64(i))
		if want := i >= 2; (err != nil) != want {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if !f.IsCut() {
		t.Error("there was no cut")
	}
	_ = file.Close()
}

// A mapping that is shared is seen by all who map or read the file. The pages are
// there before they are touched: a page fault stops a Go thread in a way that the
// scheduler does not see, and the server is Go.
func TestSharedMapping(t *testing.T) {
	f, mount, backing := mounted(t)
	file, err := os.Create(filepath.Join(mount, "x"))
	must(t, err)
	must(t, file.Truncate(8192))
	var maps [2][]byte
	for i := range maps {
		maps[i], err = unix.Mmap(int(file.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
		must(t, err)
	}
	maps[0][5000] = 'x'
	var b [1]byte
	_, err = file.ReadAt(b[:], 5000)
	must(t, err)
	if maps[1][5000] != 'x' || b[0] != 'x' {
		t.Error("the change is not seen")
	}
	must(t, errors.Join(unix.Munmap(maps[0]), unix.Munmap(maps[1]), file.Close(), f.Close()))
	if got := content(t, filepath.Join(backing, "x")); len(got) != 8192 || got[5000] != 'x' {
		t.Errorf("%d bytes without the change", len(got))
	}
}

// A file that is still open does not keep the mount in its place.
func TestCloseFreesTheMountPoint(t *testing.T) {
	f, mount, _ := mounted(t)
	file, err := os.Create(filepath.Join(mount, "x"))
	must(t, err)
	if err := f.Close(); err == nil || !strings.Contains(err.Error(), unix.EBUSY.Error()) {
		t.Errorf("close: %v", err)
	}
	if mounts := content(t, "/proc/self/mountinfo"); strings.Contains(mounts, mount) {
		t.Error("still mounted")
	}
	_ = file.Close() // there is nobody left to tell
}

// seeds returns how many seeds a test that mounts for each tries; -short is for
// the race detector, under which a mount takes a second and more.
func seeds(n uint64) uint64 {
	if testing.Short() {
		return n / 6
	}
	return n
}
