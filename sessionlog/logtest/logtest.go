// Package logtest checks that any sessionlog.Log keeps the contract, and has a
// Log in memory for the tests of those who use one.
package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// Run tests the logs that open returns: each is new and empty, and is closed by
// the test that asked for it.
func Run(t *testing.T, open func(t *testing.T) sessionlog.Log) {
	for _, c := range []struct {
		name string
		test func(*testing.T, sessionlog.Log)
	}{
		{"empty", testEmpty},
		{"order", testOrder},
		{"events", testEvents},
		{"gap", testGap},
		{"left out", testLeftOut},
		{"refused", testRefused},
		{"seal", testSeal},
		{"seal within unit", testSealWithin},
		{"read limits", testReadLimits},
		{"wait", testWait},
		{"close", testClose},
		{"closed while waiting", testCloseWakes},
		{"many", testMany},
		{"streams", testStreams},
		{"model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := open(t)
			defer func() {
				if err := log.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			c.test(t, log)
		})
	}
}

const actor = sessionlog.Actor("agent:acme/db01")

func note(text string) sessionlog.Event {
	return sessionlog.New(sessionlog.NoteAdded, "technician:ana", "", sessionlog.Note{Text: text})
}

func output(step sessionlog.StepID, s sessionlog.Stream, off int64, data string) sessionlog.Event {
	return sessionlog.NewOutput(actor, step, sessionlog.Chunk{Stream: s, Offset: off, Data: []byte(data)})
}

// left says that output was left out.
func left(step sessionlog.StepID, s sessionlog.Stream, off, n int64) sessionlog.Event {
	return sessionlog.New(sessionlog.StepGap, actor, step, sessionlog.Gap{Stream: s.String(), Offset: off, Bytes: n})
}

// timeout ends a test that hangs.
func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mustAppend(t *testing.T, log sessionlog.Log, evs ...sessionlog.Event) sessionlog.Head {
	t.Helper()
	head, err := sessionlog.Append(timeout(t), log, evs...)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return head
}

func mustRead(t *testing.T, log sessionlog.Reader, from sessionlog.Seq, limit int) []sessionlog.Event {
	t.Helper()
	evs, err := log.Read(timeout(t), from, limit)
	if err != nil {
		t.Fatalf("read from %d: %v", from, err)
	}
	for i, ev := range evs {
		if ev.Seq != from+sessionlog.Seq(i) {
			t.Fatalf("read from %d: event %d has seq %d", from, i, ev.Seq)
		}
	}
	return evs
}

func wantHead(t *testing.T, log sessionlog.Reader, seq sessionlog.Seq, sealed bool) {
	t.Helper()
	if got, want := log.Head(), (sessionlog.Head{Seq: seq, Sealed: sealed}); got != want {
		t.Fatalf("head is %+v, want %+v", got, want)
	}
}

func testEmpty(t *testing.T, log sessionlog.Log) {
	wantHead(t, log, 0, false)
	if evs := mustRead(t, log, 1, 10); len(evs) != 0 {
		t.Fatalf("empty log has %d events", len(evs))
	}
	if _, err := log.Submit(timeout(t)); err == nil {
		t.Fatal("a unit of no events was taken")
	}
}

// testOrder: units are recorded in the order of the calls, a Commit's head is
// that after its unit, and once it resolves readers see the unit.
func testOrder(t *testing.T, log sessionlog.Log) {
	ctx := timeout(t)
	var commits []*sessionlog.Commit
	for i := range 100 {
		c, err := log.Submit(ctx, note(fmt.Sprintf("%d a", i)), note(fmt.Sprintf("%d b", i)))
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, c)
	}
	for i, c := range commits {
		head, err := c.Wait(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if want := sessionlog.Seq(2*i + 2); head.Seq != want || head.Sealed {
			t.Fatalf("unit %d: head is %+v, want %d", i, head, want)
		}
		if log.Head().Seq < head.Seq {
			t.Fatalf("unit %d is committed at %d, but the head is %d", i, head.Seq, log.Head().Seq)
		}
		if evs := mustRead(t, log, head.Seq, 1); len(evs) != 1 {
			t.Fatalf("unit %d is committed, but not to be read", i)
		}
	}
	for i, ev := range mustRead(t, log, 1, 1000) {
		var n sessionlog.Note
		if err := ev.Decode(&n); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%d %c", i/2, 'a'+i%2); n.Text != want {
			t.Fatalf("event %d is %q, want %q", ev.Seq, n.Text, want)
		}
	}
}

// testEvents: what is read is what was submitted, and stands for its leaf.
func testEvents(t *testing.T, log sessionlog.Log) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 89, time.FixedZone("", 3600))
	id := sessionlog.NewStepID()
	opened := sessionlog.Opened{Session: "S", Client: "acme", Name: "db01", Technician: "ana"}
	in := []sessionlog.Event{
		sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", opened),
		sessionlog.New(sessionlog.StepRequested, "technician:ana", id, sessionlog.Requested{Command: "a \x01 <b> & \u2028\"'"}),
		{Kind: sessionlog.StepDispatched, Actor: sessionlog.Relay, Step: id, Time: at},
		{Kind: "later.kind", Actor: "x\"\\\n\u00e9:y", Body: []byte("{ \"a\" : [1, 2] }"), Time: at, AgentTime: at},
		output(id, sessionlog.Stdout, 0, "a\x00\xff\x1b"),
		output(id, sessionlog.Stderr, 0, "b"),
	}
	in[4].AgentTime = at
	before := time.Now()
	mustAppend(t, log, in...)
	out := mustRead(t, log, 1, 100)
	if len(out) != len(in) {
		t.Fatalf("%d events, want %d", len(out), len(in))
	}
	for i, ev := range out {
		if ev.Kind != in[i].Kind || ev.Actor != in[i].Actor || ev.Step != in[i].Step || !ev.AgentTime.Equal(in[i].AgentTime) {
			t.Errorf("event %d is %+v, want %+v", ev.Seq, ev, in[i])
		}
		if i >= 2 && i <= 3 && !ev.Time.Equal(at) || i < 2 && (ev.Time.Before(before.Add(-time.Minute)) || ev.Time.Location() != time.UTC) {
			t.Errorf("event %d has time %v", ev.Seq, ev.Time)
		}
		checkLeaf(t, ev)
	}
	if got := string(out[3].Body); got != `{"a":[1,2]}` {
		t.Errorf("body is %s", got)
	}
	if got := out[4].Chunk; string(got.Data) != "a\x00\xff\x1b" || bytes.Equal(got.Salt, out[5].Chunk.Salt) {
		t.Errorf("chunk is %+v", got)
	}
}

func checkLeaf(t *testing.T, ev sessionlog.Event) {
	t.Helper()
	if err := sessionlog.VerifyChunk(ev); err != nil {
		t.Error(err)
	}
	leaf, err := sessionlog.Leaf(ev)
	if err != nil {
		t.Fatalf("leaf of event %d: %v", ev.Seq, err)
	}
	back, err := sessionlog.ParseLeaf(leaf)
	if err != nil {
		t.Fatalf("leaf of event %d: %v", ev.Seq, err)
	}
	if !bytes.Equal(back.Body, ev.Body) {
		t.Errorf("event %d has body %s, its leaf %s", ev.Seq, ev.Body, back.Body)
	}
}

// testGap: a chunk that does not follow is refused with all of its unit, and
// leaves no trace in what may follow.
func testGap(t *testing.T, log sessionlog.Log) {
	ctx := timeout(t)
	mustAppend(t, log, output("A", sessionlog.Stdout, 0, "12345"))
	for _, off := range []int64{0, 4, 6, 1 << 40} {
		_, err := sessionlog.Append(ctx, log, note("lost"), output("A", sessionlog.Stderr, 0, "x"), output("A", sessionlog.Stdout, off, "x"))
		var gap *sessionlog.GapError
		if !errors.As(err, &gap) {
			t.Fatalf("chunk at %d: got %v, want a GapError", off, err)
		}
		if want := (sessionlog.GapError{Step: "A", Stream: sessionlog.Stdout, Want: 5, Have: off}); *gap != want {
			t.Fatalf("got %+v, want %+v", *gap, want)
		}
	}
	wantHead(t, log, 1, false)
	mustAppend(t, log, output("A", sessionlog.Stdout, 5, "67"), output("A", sessionlog.Stdout, 7, "8"), output("A", sessionlog.Stderr, 0, "e"))
	mustAppend(t, log, output("B", sessionlog.Stdout, 0, "x"))
	wantHead(t, log, 5, false)
}

// testLeftOut: a step.gap begins where its stream ends and moves that end.
func testLeftOut(t *testing.T, log sessionlog.Log) {
	ctx := timeout(t)
	mustAppend(t, log, output("A", sessionlog.Stdout, 0, "12345"))
	for _, off := range []int64{0, 4, 6} {
		_, err := sessionlog.Append(ctx, log, left("A", sessionlog.Stderr, 0, 1), left("A", sessionlog.Stdout, off, 7))
		var gap *sessionlog.GapError
		if !errors.As(err, &gap) {
			t.Fatalf("gap at %d: got %v, want a GapError", off, err)
		}
		if want := (sessionlog.GapError{Step: "A", Stream: sessionlog.Stdout, Want: 5, Have: off}); *gap != want {
			t.Fatalf("got %+v, want %+v", *gap, want)
		}
	}
	wantHead(t, log, 1, false)
	const most = math.MaxInt64
	mustAppend(t, log, left("A", sessionlog.Stdout, 5, 1<<40), output("A", sessionlog.Stdout, 5+1<<40, "x"))
	mustAppend(t, log, left("A", sessionlog.Stderr, 0, most-1)) // at the start of a stream
	for _, off := range []int64{5, 6, 5 + 1<<40} {
		if _, err := sessionlog.Append(ctx, log, output("A", sessionlog.Stdout, off, "y")); err == nil {
			t.Errorf("output at %d within a gap was taken", off)
		}
	}
	if _, err := sessionlog.Append(ctx, log, left("A", sessionlog.Stderr, most-1, 2)); err == nil {
		t.Error("a gap beyond the greatest offset was taken")
	}
	mustAppend(t, log, output("A", sessionlog.Stdout, 6+1<<40, "y"), left("B", sessionlog.Stdout, 0, 1))
	wantHead(t, log, 6, false)
	for _, ev := range mustRead(t, log, 2, 3) {
		checkLeaf(t, ev)
	}
}

// testRefused: what breaks another rule is refused without trace as well, and
// units beside it are not.
func testRefused(t *testing.T, log sessionlog.Log) {
	ctx := timeout(t)
	opened := sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{})
	mustAppend(t, log, opened)
	big := strings.Repeat("x", sessionlog.MaxLeaf)
	bad := []sessionlog.Event{
		opened,
		{Actor: sessionlog.Relay},
		{Kind: sessionlog.StepOutput, Actor: actor, Step: "A"},
		{Kind: sessionlog.StepStarted, Actor: actor},
		{Kind: sessionlog.NoteAdded, Actor: actor, Body: []byte(`{"text":`)},
		{Kind: sessionlog.NoteAdded, Actor: actor, Body: []byte("{\"text\":\"\xff\"}")},
		{Kind: sessionlog.NoteAdded, Actor: actor, Chunk: &sessionlog.Chunk{Stream: 1, Data: []byte("x")}},
		output("A", sessionlog.Stdout, 0, ""),
		output("A", 4, 0, "x"),
		left("A", sessionlog.Stdout, 0, 0),
		left("A", sessionlog.Stdout, 0, -1),
		left("A", 4, 0, 1),
		left("", sessionlog.Stdout, 0, 1),
		{Kind: sessionlog.StepGap, Actor: actor, Step: "A"},
		{Kind: sessionlog.StepGap, Actor: actor, Step: "A", Body: []byte("[]")},
		output("A", sessionlog.Stdout, 0, strings.Repeat("x", sessionlog.MaxChunk+1)),
		output("A", sessionlog.Stdout, -1, "x"),
		note(big),
	}
	for i, ev := range bad {
		before, err := log.Submit(ctx, note("before"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sessionlog.Append(ctx, log, output("C", sessionlog.Stdout, 0, "x"), ev); err == nil {
			t.Errorf("bad event %d was taken: %.200v", i, ev)
		}
		mustAppend(t, log, note("after"))
		if _, err := before.Wait(ctx); err != nil {
			t.Errorf("unit beside bad event %d: %v", i, err)
		}
	}
	wantHead(t, log, sessionlog.Seq(1+2*len(bad)), false)
}

func closed() sessionlog.Event {
	return sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{Why: "done"})
}

// testSeal: session.closed is the last event, also for those who came too late.
func testSeal(t *testing.T, log sessionlog.Log) {
	ctx := timeout(t)
	mustAppend(t, log, note("a"))
	head := mustAppend(t, log, note("b"), closed())
	if want := (sessionlog.Head{Seq: 3, Sealed: true}); head != want {
		t.Fatalf("head is %+v, want %+v", head, want)
	}
	wantHead(t, log, 3, true)
	if _, err := sessionlog.Append(ctx, log, note("late")); !errors.Is(err, sessionlog.ErrSealed) {
		t.Fatalf("append to a sealed log: %v", err)
	}
	if evs := mustRead(t, log, 1, 10); len(evs) != 3 || evs[2].Kind != sessionlog.SessionClosed {
		t.Fatalf("a sealed log reads %v", evs)
	}
	if head, err := log.Wait(ctx, 3); err != nil || !head.Sealed {
		t.Fatalf("wait on a sealed log: %+v, %v", head, err)
	}
}

// testSealWithin: nothing follows session.closed within a unit either.
func testSealWithin(t *testing.T, log sessionlog.Log) {
	if _, err := sessionlog.Append(timeout(t), log, closed(), note("x")); !errors.Is(err, sessionlog.ErrSealed) {
		t.Fatalf("got %v, want ErrSealed", err)
	}
	wantHead(t, log, 0, false)
	mustAppend(t, log, note("y"))
}

func testReadLimits(t *testing.T, log sessionlog.Log) {
	data := strings.Repeat("x", 400<<10)
	var off int64
	for range 6 {
		mustAppend(t, log, output("A", sessionlog.Stdout, off, data))
		off += int64(len(data))
	}
	for range 300 {
		if _, err := log.Submit(timeout(t), note("n")); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, log, output("B", sessionlog.Stdout, 0, strings.Repeat("y", sessionlog.MaxChunk)))
	for _, c := range []struct {
		from        sessionlog.Seq
		limit, want int
	}{
		{1, 100, 2}, {6, 3, 3}, {1, 1, 1}, {307, 5, 1}, {308, 5, 0}, {1000, 5, 0}, {1, 0, 0}, {7, 200, 200},
	} {
		if evs := mustRead(t, log, c.from, c.limit); len(evs) != c.want {
			t.Errorf("read from %d at most %d: %d events, want %d", c.from, c.limit, len(evs), c.want)
		}
	}
	var n sessionlog.Seq
	err := sessionlog.Replay(timeout(t), log, func(ev sessionlog.Event) error {
		if n++; ev.Seq != n {
			return fmt.Errorf("seq %d at %d", ev.Seq, n)
		}
		return nil
	})
	if err != nil || n != 307 {
		t.Errorf("replay: %d events, %v", n, err)
	}
}
