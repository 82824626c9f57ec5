package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caisey/caisey/sessionlog"
)

type waited struct {
	head sessionlog.Head
	err  error
}

func wait(ctx context.Context, log sessionlog.Log, after sessionlog.Seq) <-chan waited {
	ch := make(chan waited, 1)
	go func() {
		head, err := log.Wait(ctx, after)
		ch <- waited{head, err}
	}()
	return ch
}

func testWait(t *testing.T, log sessionlog.Log) {
	ctx := timeout(t)
	stop := errors.New("stop")
	cancelled, cancel := context.WithCancelCause(ctx)
	gone := wait(cancelled, log, 0)
	cancel(stop)
	if w := <-gone; !errors.Is(w.err, stop) {
		t.Fatalf("cancelled wait: %v", w.err)
	}
	one, five := wait(ctx, log, 0), wait(ctx, log, 5)
	mustAppend(t, log, note("1"))
	if w := <-one; w.err != nil || w.head.Seq != 1 {
		t.Fatalf("wait: %+v", w)
	}
	for i := range 5 {
		select {
		case w := <-five:
			t.Fatalf("wait after 5 returned %+v at %d", w, i+1)
		default:
		}
		mustAppend(t, log, note("more"))
	}
	if w := <-five; w.err != nil || w.head.Seq != 6 {
		t.Fatalf("wait: %+v", w)
	}
	sealed := wait(ctx, log, 100)
	mustAppend(t, log, closed())
	if w := <-sealed; w.err != nil || !w.head.Sealed {
		t.Fatalf("wait for a seal: %+v", w)
	}
}

func testClose(t *testing.T, log sessionlog.Log) {
	ctx := timeout(t)
	var commits []*sessionlog.Commit
	for range 50 {
		c, err := log.Submit(ctx, note("x"))
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, c)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for i, c := range commits {
		select {
		case <-c.Done():
		default:
			t.Fatalf("unit %d is not resolved after Close", i)
		}
		if _, err := c.Wait(ctx); err != nil {
			t.Fatalf("unit %d: %v", i, err)
		}
	}
	if _, err := log.Submit(ctx, note("late")); !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("submit after close: %v", err)
	}
	if _, err := log.Read(ctx, 1, 1); !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := log.Wait(ctx, 50); !errors.Is(err, sessionlog.ErrClosed) {
		t.Errorf("wait after close: %v", err)
	}
	wantHead(t, log, 50, false)
}

func testCloseWakes(t *testing.T, log sessionlog.Log) {
	w := wait(timeout(t), log, 0)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-w; !errors.Is(got.err, sessionlog.ErrClosed) {
		t.Fatalf("wait across close: %+v", got)
	}
}

// testMany: submitters and followers at once. Every follower sees every event
// once and in order, and never one whose Commit is still open before it is
// durable, that is past the head.
func testMany(t *testing.T, log sessionlog.Log) {
	const submitters, units, followers = 8, 100, 4
	ctx := timeout(t)
	var wg sync.WaitGroup
	for i := range submitters {
		wg.Go(func() {
			step := sessionlog.StepID(fmt.Sprintf("S%d", i))
			var off int64
			for n := range units {
				data := fmt.Sprintf("%d line %d\n", i, n)
				head, err := sessionlog.Append(ctx, log, output(step, sessionlog.Stdout, off, data))
				if err != nil {
					t.Errorf("submitter %d: %v", i, err)
					return
				}
				if log.Head().Seq < head.Seq {
					t.Errorf("head is behind a commit")
				}
				off += int64(len(data))
			}
		})
	}
	for range followers {
		wg.Go(func() { follow(ctx, t, log, submitters*units) })
	}
	wg.Wait()
	wantHead(t, log, submitters*units, false)
}

func follow(ctx context.Context, t *testing.T, log sessionlog.Log, until sessionlog.Seq) {
	next := sessionlog.Seq(1)
	for next <= until {
		head, err := log.Wait(ctx, next-1)
		if err != nil {
			t.Errorf("wait after %d: %v", next-1, err)
			return
		}
		evs, err := log.Read(ctx, next, 7)
		if err != nil || len(evs) == 0 {
			t.Errorf("read from %d with head %d: %d events, %v", next, head.Seq, len(evs), err)
			return
		}
		for _, ev := range evs {
			if ev.Seq != next {
				t.Errorf("seq %d, want %d", ev.Seq, next)
				return
			}
			next++
		}
	}
}

// testStreams: each stream's bytes come back whole, whatever was between them.
func testStreams(t *testing.T, log sessionlog.Log) {
	want := map[stream]*bytes.Buffer{}
	for i := range 200 {
		key := stream{sessionlog.StepID(fmt.Sprintf("S%d", i%7)), sessionlog.Stream(1 + i%2)}
		if want[key] == nil {
			want[key] = new(bytes.Buffer)
		}
		data := bytes.Repeat([]byte{byte(i)}, 1+i*13%500)
		mustAppend(t, log, output(key.step, key.stream, int64(want[key].Len()), string(data)))
		want[key].Write(data)
	}
	got := map[stream]*bytes.Buffer{}
	err := sessionlog.Replay(timeout(t), log, func(ev sessionlog.Event) error {
		key := stream{ev.Step, ev.Chunk.Stream}
		if got[key] == nil {
			got[key] = new(bytes.Buffer)
		}
		got[key].Write(ev.Chunk.Data)
		return sessionlog.VerifyChunk(ev)
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, w := range want {
		if g := got[key]; g == nil || !bytes.Equal(g.Bytes(), w.Bytes()) {
			t.Errorf("%v: output differs", key)
		}
	}
}

// testModel: random units, good and bad, against the plainest model of the rule
// for chunks and gaps. All checks of one run share the log, so steps have fresh names.
func testModel(t *testing.T, log sessionlog.Log) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		ends := map[stream]int64{}
		for range rapid.IntRange(1, 6).Draw(rt, "units") {
			evs, after, good := drawUnit(rt, run, ends)
			before := log.Head().Seq
			head, err := sessionlog.Append(ctx, log, evs...)
			var gap *sessionlog.GapError
			switch {
			case good && (err != nil || head.Seq != before+sessionlog.Seq(len(evs))):
				rt.Fatalf("good unit: %+v, %v", head, err)
			case !good && !errors.As(err, &gap):
				rt.Fatalf("bad unit: %v", err)
			case !good && log.Head().Seq != before:
				rt.Fatalf("bad unit left a trace")
			case good:
				ends = after
			}
		}
	})
}

func drawUnit(rt *rapid.T, run int, ends map[stream]int64) (evs []sessionlog.Event, after map[stream]int64, good bool) {
	after, good = map[stream]int64{}, true
	for k, v := range ends {
		after[k] = v
	}
	for range rapid.IntRange(1, 4).Draw(rt, "chunks") {
		step := sessionlog.StepID(fmt.Sprintf("R%d-%d", run, rapid.IntRange(0, 1).Draw(rt, "step")))
		key := stream{step, sessionlog.Stream(rapid.IntRange(1, 2).Draw(rt, "stream"))}
		off := after[key] + int64(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, -1}).Draw(rt, "shift"))
		n := rapid.IntRange(1, 5).Draw(rt, "n")
		if off != after[key] {
			good = false
		}
		after[key] += int64(n)
		if rapid.IntRange(0, 3).Draw(rt, "gap") == 0 {
			evs = append(evs, left(key.step, key.stream, off, int64(n)))
			continue
		}
		evs = append(evs, output(key.step, key.stream, off, "abcde"[:n]))
	}
	return evs, after, good
}
