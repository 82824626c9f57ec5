package sqlitefile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/caisey/caisey/sessionlog"
)

// archived returns the path, without .zst, of an archived record, and what its file
// was before.
func archived(t *testing.T, d *Dir) (path string, was []byte) {
	t.Helper()
	path = sealed(t, d)
	was = readFile(t, path)
	if err := d.Archive(t.Context(), "acme", idOf(path)); err != nil {
		t.Fatal(err)
	}
	return path, was
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// names returns what is in the directory of a client.
func names(t *testing.T, d *Dir, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(d.path, dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// An archived record is opened, read, copied and listed as before; what is
// unpacked for it goes with its File.
func TestArchive(t *testing.T) {
	d := newDir(t, Config{Signer: newSigner(t)})
	path, was := archived(t, d)
	if got := names(t, d, "acme"); len(got) != 1 || got[0] != filepath.Base(path)+archiveSuffix {
		t.Fatalf("the client has %v", got)
	}
	list, err := d.List()
	if err != nil || len(list) != 1 || list[0].ID != idOf(path) || !list[0].Archived || list[0].Path != path+archiveSuffix || list[0].Modified.IsZero() {
		t.Errorf("list is %+v, %v", list, err)
	}
	log, err := d.Open(t.Context(), "acme", idOf(path))
	if err != nil {
		t.Fatal(err)
	}
	f := log.(*File)
	if n := count(t, f); n != 8 || !f.Head().Sealed {
		t.Errorf("%d events, head %+v", n, f.Head())
	}
	if note, err := f.Checkpoint(t.Context()); err != nil || !strings.Contains(note, "/session/") {
		t.Errorf("checkpoint %q, %v", note, err)
	}
	r, err := f.Copy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"open":    errOf(d.Open(t.Context(), "acme", idOf(path))),
		"archive": d.Archive(t.Context(), "acme", idOf(path)),
		"remove":  d.Remove(t.Context(), "acme", idOf(path)),
	} {
		if !errors.Is(err, ErrInUse) {
			t.Errorf("%s while it is open: %v", what, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, d, unpackedDir+"/acme"); len(got) != 0 {
		t.Errorf("it leaves %v", got)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, was) {
		t.Errorf("its copy has %d bytes, want %d, %v", len(got), len(was), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Archive(t.Context(), "acme", idOf(path)); err != nil {
		t.Errorf("archive an archive: %v", err)
	}
	if _, err := d.Create(t.Context(), "acme", idOf(path)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over an archive: %v", err)
	}
}

func errOf(_ sessionlog.Log, err error) error { return err }

func TestArchiveIsZstd(t *testing.T) {
	if _, err := exec.LookPath("zstd"); err != nil {
		t.Skip("this test needs zstd: install the Debian package zstd")
	}
	path, was := archived(t, newDir(t, Config{}))
	got, err := exec.Command("zstd", "-dc", path+archiveSuffix).Output()
	if err != nil || !bytes.Equal(got, was) {
		t.Errorf("zstd -d makes %d bytes, want %d, %v", len(got), len(was), err)
	}
	theirs := filepath.Join(t.TempDir(), "theirs")
	writeFile(t, theirs, was)
	if out, err := exec.Command("zstd", "-19", theirs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var b bytes.Buffer
	if err := Unpack(t.Context(), &b, bytes.NewReader(readFile(t, theirs+".zst")), 1<<30); err != nil || !bytes.Equal(b.Bytes(), was) {
		t.Errorf("what zstd made unpacks to %d bytes, want %d, %v", b.Len(), len(was), err)
	}
}

// What is not sealed stays as it is.
func TestArchiveRefuses(t *testing.T) {
	d := newDir(t, Config{})
	f := create(t, d)
	fill(t, f, "")
	if err := d.Archive(t.Context(), "acme", idOf(f.path)); !errors.Is(err, ErrInUse) {
		t.Errorf("a live record: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Archive(t.Context(), "acme", idOf(f.path)); !errors.Is(err, ErrNotSealed) {
		t.Errorf("a record without its end: %v", err)
	}
	if n := count(t, reopen(t, d, f.path)); n != 7 {
		t.Errorf("it has %d events, want 7", n)
	}
	if err := d.Archive(t.Context(), "acme", sessionlog.NewSessionID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no record: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := sealed(t, d)
	if err := d.Archive(ctx, "acme", idOf(path)); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	if list, err := d.List(); err != nil || len(list) != 2 || list[0].Archived || list[1].Archived {
		t.Errorf("list is %+v, %v", list, err)
	}
}

// What an Archive that died left is in nobody's way.
func TestArchiveLeftovers(t *testing.T) {
	d := newDir(t, Config{})
	path := sealed(t, d)
	was := readFile(t, path)
	temp := filepath.Join(d.path, "acme", tempPrefix+filepath.Base(path)+archiveSuffix)
	for _, left := range []string{temp, path + archiveSuffix} {
		if err := os.WriteFile(left, []byte("half of it"), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := d.List(); err != nil || len(list) != 1 || list[0].Archived || list[0].Path != path {
		t.Errorf("list is %+v, %v", list, err)
	}
	f := reopen(t, d, path)
	if n := count(t, f); n != 8 {
		t.Errorf("%d events, want 8", n)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Archive(t.Context(), "acme", idOf(path)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err := Unpack(t.Context(), &b, bytes.NewReader(readFile(t, path+archiveSuffix)), 1<<30)
	if err != nil || !bytes.Equal(b.Bytes(), was) {
		t.Errorf("the archive has %d bytes, want %d, %v", b.Len(), len(was), err)
	}
	if got := names(t, d, "acme"); len(got) != 1 {
		t.Errorf("the client has %v", got)
	}
}

// A process that dies with archived records open leaves what was unpacked.
func TestUnpackedGoesAtOpen(t *testing.T) {
	dir := t.TempDir()
	d, err := OpenDir(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	path, _ := archived(t, d)
	if err := errors.Join(d.Close(), os.MkdirAll(filepath.Join(dir, unpackedDir, "acme"), 0o700)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, unpackedDir, "acme", filepath.Base(path)), []byte("old"))
	if d, err = OpenDir(dir, Config{}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := os.Stat(filepath.Join(dir, unpackedDir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if f := reopen(t, d, path); count(t, f) != 8 {
		t.Error("the record is not whole")
	}
}

// Every byte of an archive that changes, and every length it is cut to, is noticed,
// and leaves nothing behind.
func TestArchiveDamaged(t *testing.T) {
	d := newDir(t, Config{})
	path, _ := archived(t, d)
	good := readFile(t, path+archiveSuffix)
	try := func(what string, i int, b []byte) {
		if err := os.Remove(path + archiveSuffix); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path+archiveSuffix, b)
		log, err := d.Open(t.Context(), "acme", idOf(path))
		if err == nil {
			t.Errorf("%s at %d of %d: it opens", what, i, len(b))
			log.Close()
		}
	}
	step := max(1, len(good)/64)
	for i := 0; i < len(good); i += step {
		bad := bytes.Clone(good)
		bad[i] ^= 0x55
		try("a change", i, bad)
		try("a cut", i, good[:i])
	}
	try("more behind", len(good), append(bytes.Clone(good), good...))
	if got := names(t, d, unpackedDir+"/acme"); len(got) != 0 {
		t.Errorf("it leaves %v", got)
	}
}

// A small file that unpacks to a large one is stopped at what it said, or at the
// limit.
func TestUnpackBombs(t *testing.T) {
	bomb := func(size int64, opts ...zstd.EOption) []byte {
		var b bytes.Buffer
		enc, err := zstd.NewWriter(nil, opts...)
		if err != nil {
			t.Fatal(err)
		}
		enc.ResetContentSize(&b, size)
		if size < 0 {
			enc.Reset(&b)
		}
		_, err = io.Copy(enc, io.LimitReader(zeros{}, 64<<20))
		if err := errors.Join(err, enc.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	honest := bomb(64 << 20)
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"over the limit": {honest, "over the limit"},
		"no size":        {bomb(-1), "does not say how large"},
		"no checksum":    {bomb(64<<20, zstd.WithEncoderCRC(false)), "does not say how large"},
		"window":         {bomb(64<<20, zstd.WithWindowSize(32<<20)), "window"},
		"liar":           {lie(t, honest, 64<<20, 1<<10), "damaged"},
		"nothing":        {nil, "not a zstd file"},
		"SQLite":         {[]byte(magic), "not a zstd file"},
	} {
		var n counter
		limit := int64(1 << 20)
		if name == "window" {
			limit = 1 << 30
		}
		err := Unpack(t.Context(), &n, bytes.NewReader(c.archive), limit)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if n > 128<<10 { // what the decoder hands out at once
			t.Errorf("%s: %d bytes were written", name, n)
		}
	}
}

// lie has an archive say another size, in its header's 4 bytes for it.
func lie(t *testing.T, archive []byte, from, to uint32) []byte {
	t.Helper()
	old := []byte{byte(from), byte(from >> 8), byte(from >> 16), byte(from >> 24)}
	if n := bytes.Count(archive[:zstd.HeaderMaxSize], old); n != 1 {
		t.Fatalf("the size is %d times in the header", n)
	}
	return bytes.Replace(archive, old, []byte{byte(to), byte(to >> 8), byte(to >> 16), byte(to >> 24)}, 1)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func TestRemove(t *testing.T) {
	d := newDir(t, Config{})
	plain := sealed(t, d)
	packed, _ := archived(t, d)
	f := create(t, d)
	fill(t, f, "")
	if err := d.Remove(t.Context(), "acme", idOf(f.path)); !errors.Is(err, ErrInUse) {
		t.Errorf("remove of an open record: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(d.path, "acme", tempPrefix+filepath.Base(plain)+archiveSuffix), nil)
	for _, path := range []string{plain, packed, f.path} {
		if err := d.Remove(t.Context(), "acme", idOf(path)); err != nil {
			t.Error(err)
		}
		if err := d.Remove(t.Context(), "acme", idOf(path)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("remove again: %v", err)
		}
	}
	if got := names(t, d, "acme"); len(got) != 0 {
		t.Errorf("it leaves %v", got)
	}
	if _, err := d.Open(t.Context(), "acme", idOf(plain)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
}
