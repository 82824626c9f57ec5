package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

func openRoot(tb testing.TB) *os.Root {
	tb.Helper()
	root, err := os.OpenRoot(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = root.Close() })
	return root
}

func open(tb testing.TB, root *os.Root, cfg Config) *Journal {
	tb.Helper()
	j, err := Open(root, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = j.Close() })
	return j
}

// frame returns a frame of n events, every other one of them output.
func frame(record string, first sessionlog.Seq, n int) *Frame {
	var f Frame
	f.Reset(record, first)
	for i := range n {
		leaf := fmt.Appendf(nil, "%s leaf %d", record, int(first)+i)
		if i%2 == 0 {
			f.Add(leaf, nil, nil)
		} else {
			f.Add(leaf, []byte("0123456789abcdef"), leaf[:i%3])
		}
	}
	return &f
}

// read returns what the segments in root hold of each record, as first-last.
func read(tb testing.TB, root *os.Root) map[string][]string {
	tb.Helper()
	got := map[string][]string{}
	err := Read(root, func(l Left) error {
		for _, e := range l.Entries {
			got[e.Record] = append(got[e.Record], fmt.Sprintf("%d-%d", e.Rows[0].Seq, e.Rows[len(e.Rows)-1].Seq))
		}
		return l.Damage
	})
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

func segments(tb testing.TB, root *os.Root) int {
	tb.Helper()
	ns, err := numbers(root)
	if err != nil {
		tb.Fatal(err)
	}
	return len(ns)
}

// What many append at once comes back in the order of each record, whole.
func TestAppend(t *testing.T) {
	root := openRoot(t)
	j := open(t, root, Config{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			record := fmt.Sprintf("acme/%d", i)
			for k := range 10 {
				if err := j.Append(frame(record, sessionlog.Seq(1+k*3), 3)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := read(t, root)
	for i := range 20 {
		frames := got[fmt.Sprintf("acme/%d", i)]
		if len(frames) != 10 || frames[0] != "1-3" || frames[9] != "28-30" {
			t.Errorf("record %d has the frames %v", i, frames)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(frame("acme/1", 31, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after Close: %v", err)
	}
}

// The rows of a frame come back as they went in.
func TestRows(t *testing.T) {
	root := openRoot(t)
	j := open(t, root, Config{})
	var f Frame
	f.Reset("acme/a", 7)
	f.Add([]byte("one"), nil, nil)
	f.Add([]byte("two"), []byte("0123456789abcdef"), []byte("data"))
	if err := j.Append(&f); err != nil {
		t.Fatal(err)
	}
	want := []sessionlog.Row{{Seq: 7, Leaf: []byte("one")}, {Seq: 8, Leaf: []byte("two"), Salt: []byte("0123456789abcdef"), Data: []byte("data")}}
	err := Read(root, func(l Left) error {
		if got := l.Entries[0].Rows; !reflect.DeepEqual(got, want) {
			t.Errorf("rows are %+v, want %+v", got, want)
		}
		return l.Damage
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A segment goes once every record in it is settled, and not before.
func TestRetire(t *testing.T) {
	root := openRoot(t)
	j := open(t, root, Config{SegmentBytes: 1})
	add := func(record string, first sessionlog.Seq) {
		t.Helper()
		if err := j.Append(frame(record, first, 2)); err != nil {
			t.Fatal(err)
		}
	}
	settle := func(record string, last sessionlog.Seq, want int) {
		t.Helper()
		if err := j.Settled(record, last); err != nil {
			t.Fatal(err)
		}
		if n := segments(t, root); n != want {
			t.Errorf("%d segments after %s is settled up to %d, want %d", n, record, last, want)
		}
	}
	add("acme/a", 1)
	add("acme/b", 1)
	add("acme/a", 3)
	if behind, err := j.Behind(10); err != nil || len(behind) != 2 {
		t.Errorf("behind are %v, %v", behind, err)
	}
	settle("acme/a", 1, 3)
	settle("acme/a", 2, 2)
	settle("acme/b", 2, 1)
	settle("acme/a", 4, 1) // it is the active one
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if n := segments(t, root); n != 0 {
		t.Errorf("%d segments after Close", n)
	}
}

// There is a bound on segments; when it is reached, others must be settled first.
func TestBehind(t *testing.T) {
	root := openRoot(t)
	j := open(t, root, Config{SegmentBytes: 1, Segments: 2})
	for i := range sessionlog.Seq(2) {
		if err := j.Append(frame("acme/a", 1+i, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(frame("acme/a", 3, 1)); !errors.Is(err, ErrBehind) {
		t.Errorf("append to a journal that is too far behind: %v", err)
	}
	if err := j.Settled("acme/a", 1); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(frame("acme/a", 3, 1)); err != nil {
		t.Error(err)
	}
	if got := read(t, root)["acme/a"]; !slices.Equal(got, []string{"2-2", "3-3"}) {
		t.Errorf("frames are %v", got)
	}
}

// A segment ends when it is old, if only somebody asks.
func TestAge(t *testing.T) {
	root := openRoot(t)
	j := open(t, root, Config{SegmentAge: time.Nanosecond})
	if err := j.Append(frame("acme/a", 1, 1)); err != nil {
		t.Fatal(err)
	}
	if behind, err := j.Behind(10); err != nil || len(behind) != 1 {
		t.Errorf("behind are %v, %v", behind, err)
	}
	if err := j.Settled("acme/a", 1); err != nil || segments(t, root) != 0 {
		t.Errorf("%d segments, %v", segments(t, root), err)
	}
}

// A new Journal never writes to a segment that is there.
func TestNumbers(t *testing.T) {
	root := openRoot(t)
	if err := open(t, root, Config{}).Append(frame("acme/a", 1, 1)); err != nil {
		t.Fatal(err)
	}
	if err := open(t, root, Config{}).Append(frame("acme/a", 2, 1)); err != nil {
		t.Fatal(err)
	}
	if n := segments(t, root); n != 2 {
		t.Errorf("%d segments, want 2", n)
	}
	if got := read(t, root)["acme/a"]; !slices.Equal(got, []string{"1-1", "2-2"}) {
		t.Errorf("frames are %v", got)
	}
}

// A faultyDisk fails as it is told, after half of a write.
type faultyDisk struct {
	disk
	write, sync, cut error
}

func (d *faultyDisk) WriteAt(b []byte, off int64) (int, error) {
	if d.write == nil {
		return d.disk.WriteAt(b, off)
	}
	n, err := d.disk.WriteAt(b[:min(len(b)-1, 40)], off)
	return n, errors.Join(d.write, err)
}

func (d *faultyDisk) Sync() error { return errors.Join(d.sync, d.disk.Sync()) }

func (d *faultyDisk) Truncate(n int64) error {
	if d.cut != nil {
		return d.cut
	}
	return d.disk.Truncate(n)
}

// What a disk refuses leaves no trace. A full one may have space again; after any
// other error the journal takes no more, until it is opened anew.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		disk   faultyDisk
		passes bool
		want   []string
	}{
		{"write to a full disk", faultyDisk{write: syscall.ENOSPC}, true, []string{"1-1", "2-2"}},
		{"flush to a full disk", faultyDisk{sync: syscall.EDQUOT}, false, []string{"1-1"}}, // nor does the flush of the cut work
		{"write", faultyDisk{write: syscall.EIO}, false, []string{"1-1"}},
		{"flush", faultyDisk{sync: syscall.EIO}, false, []string{"1-1"}},
		{"cut", faultyDisk{write: syscall.ENOSPC, cut: syscall.EIO}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := openRoot(t)
			j := open(t, root, Config{})
			if err := j.Append(frame("acme/a", 1, 1)); err != nil {
				t.Fatal(err)
			}
			good := j.disk
			tt.disk.disk = good
			j.disk = &tt.disk
			if err := j.Append(frame("acme/a", 2, 1)); !errors.Is(err, errors.Join(tt.disk.write, tt.disk.sync)) && err == nil {
				t.Errorf("append to a faulty disk: %v", err)
			}
			j.disk = good // the disk is well again
			if err := j.Append(frame("acme/a", 2, 1)); (err == nil) != tt.passes {
				t.Errorf("append afterwards: %v", err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if tt.want == nil { // nothing could be cut off: the tail is torn
				err := Read(root, func(l Left) error {
					if !l.Torn || len(l.Entries) != 1 {
						t.Errorf("%d entries, torn %t, %v", len(l.Entries), l.Torn, l.Damage)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				return
			}
			if got := read(t, root)["acme/a"]; !slices.Equal(got, tt.want) {
				t.Errorf("frames are %v, want %v", got, tt.want)
			}
		})
	}
}

// A segment that is cut anywhere holds the frames before the cut, and says so.
func TestTorn(t *testing.T) {
	root := openRoot(t)
	j := open(t, root, Config{})
	ends := []int{len(header)}
	for i := range 4 {
		f := frame("acme/a", sessionlog.Seq(1+2*i), 2)
		if err := j.Append(f); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, ends[i]+len(f.b))
	}
	whole, err := root.ReadFile(segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	whole = whole[:ends[4]] // zeros follow
	for n := range len(whole) + 1 {
		for _, torn := range [][]byte{whole[:n], append(slices.Clone(whole[:n]), make([]byte, 600)...)} {
			if err := root.WriteFile(segmentName(1), torn, 0o600); err != nil {
				t.Fatal(err)
			}
			want, _ := slices.BinarySearch(ends, n+1)
			want = max(want-1, 0)
			err := Read(root, func(l Left) error {
				clean := n <= len(header) || slices.Contains(ends, n)
				if len(torn) > n { // zeros follow, as in a segment that is written
					clean = n >= len(header) && len(bytes.Trim(torn[ends[want]:], "\x00")) == 0
				}
				if len(l.Entries) != want || clean && l.Damage != nil || !clean && n > len(header) && !l.Torn {
					t.Errorf("cut at %d of %d: %d entries, want %d; torn %t, %v", n, len(torn), len(l.Entries), want, l.Torn, l.Damage)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A segment of another version is no torn one.
func TestOtherVersion(t *testing.T) {
	root := openRoot(t)
	if err := root.WriteFile(segmentName(3), []byte("caisey-journal\x00\x02 and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Read(root, func(l Left) error {
		if l.Damage == nil || l.Torn || l.Name != "caisey-journal-000003" {
			t.Errorf("segment %+v", l)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Frames out of bounds are refused before they are written.
func TestBounds(t *testing.T) {
	root := openRoot(t)
	j := open(t, root, Config{})
	var none, large Frame
	none.Reset("acme/a", 1)
	large.Reset("acme/a", 1)
	large.Add(make([]byte, MaxFrame), nil, nil)
	for _, f := range []*Frame{&none, &large} {
		if err := j.Append(f); err == nil {
			t.Error("a frame out of bounds was taken")
		}
	}
	if _, err := root.Stat(segmentName(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("segment: %v", err)
	}
}
