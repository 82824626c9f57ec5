package spool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func create(t *testing.T, cfg Config) (*Spool, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "step")
	s, err := Create(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

func put(t *testing.T, s *Spool, stream int, data string) {
	t.Helper()
	if err := s.Append(t.Context(), stream, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// readAll reads what is there now.
func readAll(t *testing.T, s *Spool, from [Streams]int64) (out [Streams][]byte, end string) {
	t.Helper()
	r, err := s.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	next := from
	for {
		rec, ok, err := r.Poll()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out, end
		}
		if rec.End {
			end = string(rec.Data)
			continue
		}
		if rec.Offset != next[rec.Stream-1] {
			t.Fatalf("stream %d: record at %d, not %d", rec.Stream, rec.Offset, next[rec.Stream-1])
		}
		next[rec.Stream-1] += int64(len(rec.Data))
		out[rec.Stream-1] = append(out[rec.Stream-1], rec.Data...)
	}
}

func segmentFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAppendAndRead(t *testing.T) {
	s, _ := create(t, Config{})
	put(t, s, 1, "hello ")
	put(t, s, 2, "oops")
	put(t, s, 1, "world")
	if err := s.End(t.Context(), []byte("the end")); err != nil {
		t.Fatal(err)
	}
	for _, from := range [][Streams]int64{{}, {3, 0}, {6, 4}, {11, 4}} {
		out, end := readAll(t, s, from)
		if string(out[0]) != "hello world"[from[0]:] || string(out[1]) != "oops"[from[1]:] || end != "the end" {
			t.Errorf("from %v: %q, %q", from, out, end)
		}
	}
	if err := s.Append(t.Context(), 1, []byte("x")); !errors.Is(err, ErrEnded) {
		t.Errorf("append after the end: %v", err)
	}
	if _, err := s.NewReader([Streams]int64{12, 0}); err == nil {
		t.Error("read from beyond the end")
	}
	for _, total := range s.Totals() {
		want := sha256.Sum256([]byte([]string{"hello world", "oops"}[total.Stream-1]))
		if !bytes.Equal(total.SHA256, want[:]) {
			t.Errorf("stream %d: wrong hash", total.Stream)
		}
	}
}

// Many segments, acknowledged while they are read and reopened at any moment, are
// the bytes that were written, and their hash is known although the first are gone.
func TestSegments(t *testing.T) {
	cfg := Config{SegmentSize: 10_000}
	s, dir := create(t, cfg)
	rng := rand.New(rand.NewPCG(1, 2))
	var want [Streams][]byte
	var acked [Streams]int64
	for i := range 300 {
		data := make([]byte, 1+rng.IntN(3000))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		stream := 1 + rng.IntN(2)
		put(t, s, stream, string(data))
		want[stream-1] = append(want[stream-1], data...)
		if i%37 == 0 {
			for k := range acked {
				acked[k] += rng.Int64N(int64(len(want[k])) - acked[k] + 1)
				if err := s.Ack(k+1, acked[k]); err != nil {
					t.Fatal(err)
				}
			}
		}
		if i%50 == 49 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			var err error
			if s, err = Open(dir, cfg); err != nil {
				t.Fatal(err)
			}
			for k := range acked {
				if err := s.Ack(k+1, acked[k]); err != nil {
					t.Fatal(err)
				}
			}
			out, _ := readAll(t, s, acked)
			for k := range out {
				if !bytes.Equal(out[k], want[k][acked[k]:]) {
					t.Fatalf("stream %d differs after %d records", k+1, i)
				}
			}
		}
	}
	for _, total := range s.Totals() {
		sum := sha256.Sum256(want[total.Stream-1])
		if total.Bytes != int64(len(want[total.Stream-1])) || !bytes.Equal(total.SHA256, sum[:]) {
			t.Errorf("stream %d: wrong total", total.Stream)
		}
	}
	before := len(segmentFiles(t, dir))
	for k := range want {
		if err := s.Ack(k+1, int64(len(want[k]))); err != nil {
			t.Fatal(err)
		}
	}
	if after := len(segmentFiles(t, dir)); after != 1 || before < 2 {
		t.Errorf("%d segments before, %d after all is acknowledged", before, after)
	}
	if _, err := s.NewReader([Streams]int64{}); !errors.Is(err, ErrGone) {
		t.Errorf("read what is gone: %v", err)
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
}

func TestAckChecks(t *testing.T) {
	s, _ := create(t, Config{})
	put(t, s, 1, "abc")
	for _, bad := range []struct {
		stream int
		offset int64
	}{{0, 0}, {4, 0}, {1, 4}, {1, -1}, {2, 1}} {
		if err := s.Ack(bad.stream, bad.offset); err == nil {
			t.Errorf("took ack %v", bad)
		}
	}
}

// Append waits while too much is unacknowledged.
func TestBound(t *testing.T) {
	s, _ := create(t, Config{MaxUnacked: 1000})
	put(t, s, 1, string(make([]byte, 600)))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Append(ctx, 2, make([]byte, 600)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("append over the bound: %v", err)
	}
	done := make(chan error)
	go func() { done <- s.Append(t.Context(), 2, make([]byte, 600)) }()
	if err := s.Ack(1, 300); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A reader that waits gets what two writers write at the same time.
func TestReaderWaits(t *testing.T) {
	s, _ := create(t, Config{SegmentSize: 5000, MaxUnacked: 20_000})
	const n = 2000
	var writers sync.WaitGroup
	for stream := 1; stream <= Streams; stream++ {
		writers.Go(func() {
			for i := range n {
				if err := s.Append(t.Context(), stream, fmt.Appendf(nil, "%d line %d\n", stream, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { writers.Wait(); _ = s.End(t.Context(), nil) }()
	r, err := s.NewReader([Streams]int64{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got [Streams][]byte
	for {
		rec, ok, err := r.Poll()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			if err := r.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if rec.End {
			break
		}
		got[rec.Stream-1] = append(got[rec.Stream-1], rec.Data...)
		if err := s.Ack(rec.Stream, rec.Offset+int64(len(rec.Data))); err != nil {
			t.Fatal(err)
		}
	}
	for k := range got {
		var want []byte
		for i := range n {
			want = fmt.Appendf(want, "%d line %d\n", k+1, i)
		}
		if !bytes.Equal(got[k], want) {
			t.Errorf("stream %d differs", k+1)
		}
	}
}

func TestCloseWakesReader(t *testing.T) {
	s, _ := create(t, Config{})
	r, err := s.NewReader([Streams]int64{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok, err := r.Poll(); ok || err != nil {
		t.Fatal(ok, err)
	}
	done := make(chan error)
	go func() {
		for {
			if err := r.Wait(context.Background()); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

// Whatever is cut off the last segment, what is whole stays and can be added to.
func TestTorn(t *testing.T) {
	s, dir := create(t, Config{})
	put(t, s, 1, "first")
	put(t, s, 2, "second")
	put(t, s, 1, "third")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := segmentFiles(t, dir)[0]
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last := headerSize + len("third")
	for cut := 1; cut <= len(whole); cut++ {
		if err := os.WriteFile(file, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Config{})
		if err != nil {
			t.Fatalf("cut by %d: %v", cut, err)
		}
		out, _ := readAll(t, s, [Streams]int64{})
		if cut <= last && (string(out[0]) != "first" || string(out[1]) != "second") {
			t.Fatalf("cut by %d: %q", cut, out)
		}
		put(t, s, 1, "more")
		again, _ := readAll(t, s, [Streams]int64{})
		if string(again[0]) != string(out[0])+"more" {
			t.Fatalf("cut by %d: then %q", cut, again)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, f := range segmentFiles(t, dir) {
			_ = os.Remove(f)
		}
	}
}

// A damaged segment ends the spool there: nothing after it can be true.
func TestDamagedMiddle(t *testing.T) {
	cfg := Config{SegmentSize: 600}
	s, dir := create(t, cfg)
	for range 20 {
		put(t, s, 1, string(bytes.Repeat([]byte("x"), 100)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := segmentFiles(t, dir)
	if len(files) < 4 {
		t.Fatalf("%d segments", len(files))
	}
	b, _ := os.ReadFile(files[1])
	b[len(b)-1] ^= 1
	if err := os.WriteFile(files[1], b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, _ := readAll(t, s, [Streams]int64{})
	total := int64(len(out[0]))
	if total == 0 || total >= 2000 || s.total[0] != total {
		t.Fatalf("%d bytes, total %d", total, s.total[0])
	}
	put(t, s, 1, "y")
}

func FuzzScan(f *testing.F) {
	state, _ := newSums().marshal()
	good := appendRecord(nil, Record{kind: kindHead, Data: state})
	good = appendRecord(good, Record{kind: kindOutput, Stream: 1, Data: []byte("abc")})
	good = appendRecord(good, Record{kind: kindOutput, Stream: 2, Data: []byte("d")})
	f.Add(appendRecord(bytes.Clone(good), Record{kind: kindEnd, Data: []byte("e")}))
	f.Add(good[:len(good)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		at := newSums()
		size, ended := scanRecords(data, &at, true)
		if size < 0 || size > int64(len(data)) {
			t.Fatalf("%d of %d bytes", size, len(data))
		}
		again := newSums() // what was found good is found good again, and to be the same
		if s, e := scanRecords(data[:size], &again, true); s != size || e != ended || again.total != at.total {
			t.Fatalf("%d %v, then %d %v", size, ended, s, e)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s, err := Create(filepath.Join(b.TempDir(), "step"), Config{MaxUnacked: 1 << 50})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	data := make([]byte, MaxRecord)
	b.SetBytes(MaxRecord)
	for b.Loop() {
		if err := s.Append(b.Context(), 1, data); err != nil {
			b.Fatal(err)
		}
		if err := s.Ack(1, s.total[0]); err != nil {
			b.Fatal(err)
		}
	}
}
