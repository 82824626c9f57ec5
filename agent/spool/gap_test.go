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
	"testing"
	"time"
)

func leave(t *testing.T, s *Spool, stream int, data string) {
	t.Helper()
	if err := s.Skip(t.Context(), stream, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// entries returns what a reader sees, one line a record.
func entries(t *testing.T, s *Spool, from [Streams]int64) (out string) {
	t.Helper()
	r, err := s.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, ok, err := r.Poll()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		switch {
		case rec.End:
			out += fmt.Sprintf("end %s\n", rec.Data)
		case rec.Gap > 0:
			out += fmt.Sprintf("%d gap %d+%d\n", rec.Stream, rec.Offset, rec.Gap)
		default:
			out += fmt.Sprintf("%d %d %s\n", rec.Stream, rec.Offset, rec.Data)
		}
	}
}

func wantTotals(t *testing.T, s *Spool, want ...string) {
	t.Helper()
	totals := s.Totals()
	if len(totals) != len(want) {
		t.Fatalf("%d totals, not %d", len(totals), len(want))
	}
	for i, total := range totals {
		sum := sha256.Sum256([]byte(want[i]))
		if total.Bytes != int64(len(want[i])) || !bytes.Equal(total.SHA256, sum[:]) {
			t.Errorf("stream %d: %d bytes, not %d, or another hash", total.Stream, total.Bytes, len(want[i]))
		}
	}
}

func TestSkip(t *testing.T) {
	s, dir := create(t, Config{})
	put(t, s, 1, "head")
	put(t, s, 2, "err")
	leave(t, s, 1, "left")
	leave(t, s, 1, "out")
	if got := entries(t, s, [Streams]int64{}); got != "1 0 head\n2 0 err\n" || s.Total(1) != 4 {
		t.Errorf("before the tail: %q, total %d", got, s.Total(1))
	}
	wantTotals(t, s, "headleftout", "err")
	put(t, s, 2, "or")
	if err := s.AppendNow(t.Context(), 1, []byte("tail")); err != nil {
		t.Fatal(err)
	}
	leave(t, s, 2, "!!")
	wantTotals(t, s, "headleftouttail", "error!!")
	if err := s.End(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Skip(t.Context(), 1, []byte("x")); !errors.Is(err, ErrEnded) {
		t.Errorf("skip after the end: %v", err)
	}
	check := func(s *Spool) {
		t.Helper()
		wantTotals(t, s, "headleftouttail", "error!!")
		for _, c := range []struct {
			from [Streams]int64
			want string
		}{
			{[Streams]int64{}, "1 0 head\n2 0 err\n2 3 or\n1 gap 4+7\n1 11 tail\n2 gap 5+2\nend x\n"},
			{[Streams]int64{4, 5}, "1 gap 4+7\n1 11 tail\n2 gap 5+2\nend x\n"},
			{[Streams]int64{6, 7}, "1 gap 6+5\n1 11 tail\nend x\n"},
			{[Streams]int64{11, 6}, "1 11 tail\n2 gap 6+1\nend x\n"},
			{[Streams]int64{15, 7}, "end x\n"},
		} {
			if got := entries(t, s, c.from); got != c.want {
				t.Errorf("from %v: %q, not %q", c.from, got, c.want)
			}
		}
	}
	check(s)
	_ = s.Close()
	again, err := Open(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	check(again)
	for _, off := range []int64{11, 15} {
		if err := again.Ack(1, off); err != nil {
			t.Errorf("ack at %d: %v", off, err)
		}
	}
	if err := again.Ack(1, 16); err == nil {
		t.Error("ack beyond the end was taken")
	}
}

// What was skipped takes no room, and what it takes to append does not wait.
func TestSkippedTakesNoRoom(t *testing.T) {
	s, _ := create(t, Config{MaxUnacked: 10})
	put(t, s, 1, "12345678")
	leave(t, s, 1, string(make([]byte, 1000)))
	put(t, s, 1, "ab") // 10 bytes are kept of 1010
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Append(ctx, 1, []byte("c")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the spool took more than its room: %v", err)
	}
	if err := s.AppendNow(t.Context(), 1, []byte("c")); err != nil {
		t.Error(err)
	}
	if err := s.Ack(1, 1008); err != nil { // all but the last three
		t.Fatal(err)
	}
	put(t, s, 1, "defghij")
}

// However long the streams are and wherever the spool is cut or reopened, a reader
// sees each byte once or in a gap, and the totals are those of all that was written.
func TestSkipModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		cfg := Config{SegmentSize: int64(200 + rng.IntN(3000))}
		s, dir := create(t, cfg)
		var all [Streams][]byte
		var missing [Streams]int64
		for range 120 {
			stream := 1 + rng.IntN(2)
			data := make([]byte, 1+rng.IntN(400))
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			if rng.IntN(3) == 0 {
				leave(t, s, stream, string(data))
				missing[stream-1] += int64(len(data))
			} else {
				put(t, s, stream, string(data))
			}
			all[stream-1] = append(all[stream-1], data...)
		}
		if err := s.End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			wantTotals(t, s, string(all[0]), string(all[1]))
			readModel(t, s, all, missing)
			_ = s.Close()
			var err error
			if s, err = Open(dir, cfg); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.Close()
	}
}

func readModel(t *testing.T, s *Spool, all [Streams][]byte, missing [Streams]int64) {
	t.Helper()
	r, err := s.NewReader([Streams]int64{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var next [Streams]int64
	for {
		rec, ok, err := r.Poll()
		if err != nil || !ok {
			t.Fatal("no end: ", err)
		}
		if rec.End {
			break
		}
		i := rec.Stream - 1
		if rec.Offset != next[i] {
			t.Fatalf("stream %d goes on at %d, not %d", rec.Stream, rec.Offset, next[i])
		}
		next[i] += rec.Gap + int64(len(rec.Data))
		missing[i] -= rec.Gap
		if !bytes.Equal(rec.Data, all[i][rec.Offset:][:len(rec.Data)]) {
			t.Fatalf("stream %d has other bytes at %d", rec.Stream, rec.Offset)
		}
	}
	for i := range all {
		if next[i] != int64(len(all[i])) || missing[i] != 0 {
			t.Fatalf("stream %d: %d of %d bytes; gaps differ by %d", i+1, next[i], len(all[i]), missing[i])
		}
	}
}

// A spool that is cut anywhere, as by a kill, opens with a true beginning.
func TestCutGap(t *testing.T) {
	s, dir := create(t, Config{})
	put(t, s, 1, "head")
	leave(t, s, 1, "middle")
	put(t, s, 1, "tail")
	if err := s.End(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	file := segmentFiles(t, dir)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for size := len(data) - 1; size > 300; size-- {
		cut := filepath.Join(t.TempDir(), "step")
		if err := os.Mkdir(cut, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cut, filepath.Base(file)), data[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(cut, Config{})
		if err != nil {
			t.Fatal(err)
		}
		got := entries(t, s, [Streams]int64{})
		want := map[string]string{"1 0 head\n": "head", "1 0 head\n1 gap 4+6\n": "headmiddle", "1 0 head\n1 gap 4+6\n1 10 tail\n": "headmiddletail"}[got]
		if want == "" && got != "" {
			t.Fatalf("cut at %d: %q", size, got)
		}
		if seen[got] = true; got != "" {
			wantTotals(t, s, want)
		}
		_ = s.Close()
	}
	if len(seen) < 3 {
		t.Errorf("only %d states were seen", len(seen))
	}
}
