package verify

import (
	"bytes"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// row returns the row of an event of output.
func row(tb testing.TB, ev sessionlog.Event) sessionlog.Row {
	tb.Helper()
	leaf, err := sessionlog.Leaf(ev)
	if err != nil {
		tb.Fatal(err)
	}
	return sessionlog.Row{Seq: ev.Seq, Leaf: leaf, Salt: ev.Chunk.Salt, Data: ev.Chunk.Data}
}

func outputOf(seq sessionlog.Seq, offset int64, text string) sessionlog.Event {
	ev := sessionlog.NewOutput("agent:acme/db01", "01J00000000000000000000000", sessionlog.Chunk{
		Stream: sessionlog.Stdout, Offset: offset, Data: []byte(text), Salt: bytes.Repeat([]byte{byte(seq)}, sessionlog.SaltSize),
	})
	ev.Seq, ev.Time = seq, time.Date(2026, 11, 24, 12, 34, 56, 789_000_000, time.UTC)
	ev.AgentTime = ev.Time.Add(-time.Minute)
	return ev
}

// agree holds a prover's word against that of the parser, and returns it.
func agree(tb testing.TB, p *prover, r sessionlog.Row) bool {
	tb.Helper()
	var got sessionlog.Event
	var chunk sessionlog.Chunk
	if !p.prove(r, &got, &chunk) {
		return false
	}
	want, err := event(r)
	if err != nil {
		tb.Fatalf("a row was taken that is none (%v): %q", err, r.Leaf)
	}
	want.Time, want.AgentTime, want.Body = time.Time{}, time.Time{}, nil
	if !reflect.DeepEqual(got, want) {
		tb.Fatalf("a row was taken for %+v, and is %+v", got, want)
	}
	return true
}

func taught(tb testing.TB) *prover {
	tb.Helper()
	first := row(tb, outputOf(7, 100, "hello\n"))
	ev, err := event(first)
	if err != nil {
		tb.Fatal(err)
	}
	var p prover
	if agree(tb, &p, first) {
		tb.Error("a prover that learnt nothing takes a row")
	}
	p.learn(first, ev)
	if !agree(tb, &p, first) {
		tb.Fatal("what was learnt is not taken")
	}
	return &p
}

func TestProverKnowsItsLike(t *testing.T) {
	p := taught(t)
	for name, change := range map[string]func(*sessionlog.Event){
		"the next":        func(*sessionlog.Event) {},
		"no output":       func(ev *sessionlog.Event) { ev.Chunk.Data = []byte{} },
		"many lines":      func(ev *sessionlog.Event) { ev.Chunk.Data = bytes.Repeat([]byte("x\ny"), 5000) },
		"no agent's time": func(ev *sessionlog.Event) { ev.AgentTime = time.Time{} },
		"a whole second":  func(ev *sessionlog.Event) { ev.Time = ev.Time.Truncate(time.Second) },
		"a nanosecond":    func(ev *sessionlog.Event) { ev.Time = ev.Time.Add(1) },
		"new year's eve":  func(ev *sessionlog.Event) { ev.Time = time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC) },
		"offset 0":        func(ev *sessionlog.Event) { ev.Chunk.Offset = 0 },
	} {
		ev := outputOf(8, 106, "world\n")
		change(&ev)
		if !agree(t, p, row(t, ev)) {
			t.Errorf("%s is not taken", name)
		}
	}
	for name, change := range map[string]func(*sessionlog.Event){
		"another step":   func(ev *sessionlog.Event) { ev.Step = "01J00000000000000000000001" },
		"another stream": func(ev *sessionlog.Event) { ev.Chunk.Stream = sessionlog.Stderr },
		"another actor":  func(ev *sessionlog.Event) { ev.Actor = "agent:acme/db02" },
		"a leap day":     func(ev *sessionlog.Event) { ev.Time = time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC) },
		"far future":     func(ev *sessionlog.Event) { ev.Time = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		ev := outputOf(8, 106, "world\n")
		change(&ev)
		if agree(t, p, row(t, ev)) {
			t.Errorf("%s is taken", name)
		}
	}
}

// What a prover takes the parser takes too, and no byte of a row may be another.
func TestProverIsAsStrict(t *testing.T) {
	p := taught(t)
	r := row(t, outputOf(8, 106, "world\nand more\n"))
	taken := 0
	for at := range r.Leaf {
		for _, c := range []byte("0123456789abz\"',-.:TZ{}\\ \x00\x80") {
			bad := r
			bad.Leaf = bytes.Clone(r.Leaf)
			bad.Leaf[at] = c
			if agree(t, p, bad) {
				taken++
			}
		}
	}
	if taken < len(r.Leaf)/2 { // the bytes that are there already, and other times
		t.Errorf("%d leaves are taken of %d bytes: nothing was tested", taken, len(r.Leaf))
	}
	for at := range r.Data {
		bad := r
		bad.Data = bytes.Clone(r.Data)
		bad.Data[at] ^= 1
		if agree(t, p, bad) {
			t.Error("other output is taken")
		}
	}
}

func FuzzProver(f *testing.F) {
	good := row(f, outputOf(8, 106, "world\n"))
	f.Add(uint64(8), good.Leaf, good.Salt, good.Data)
	for _, other := range []string{"2026-02-28", "2026-11-31", "2026-00-24", "1000-01-01"} {
		f.Add(uint64(8), bytes.ReplaceAll(good.Leaf, []byte("2026-11-24"), []byte(other)), good.Salt, good.Data)
	}
	f.Add(uint64(8), bytes.ReplaceAll(good.Leaf, []byte(strconv.Itoa(106)), []byte("0106")), good.Salt, good.Data)
	f.Fuzz(func(t *testing.T, seq uint64, leaf, salt, data []byte) {
		agree(t, taught(t), sessionlog.Row{Seq: sessionlog.Seq(seq), Leaf: leaf, Salt: salt, Data: data})
	})
}
