package agent

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog/statement"
)

func (c *stubConn) startLimited(id, command string, limit int64) *stubStep {
	c.relay.t.Helper()
	return c.open(startOf(&wire.Start{Step: id, Command: command, Session: "s", OutputLimit: limit}))
}

// checkLeftOut checks that a stream is the head of want, one gap, and the tail of
// want, which begins with a line. It returns how many bytes were sent.
func (s *stubStep) checkLeftOut(stream int, want []byte) int {
	s.t.Helper()
	if len(s.gaps[stream]) != 1 {
		s.t.Fatalf("stream %d: gaps %v", stream, s.gaps[stream])
	}
	gap, out := s.gaps[stream][0], s.out[stream].Bytes()
	head := int(gap.GetOffset())
	tail := len(out) - head
	if s.next[stream] != int64(len(want)) || head+int(gap.GetBytes())+tail != len(want) {
		s.t.Fatalf("stream %d: %d + %d + %d bytes, not %d", stream, head, gap.GetBytes(), tail, len(want))
	}
	if !bytes.Equal(out[:head], want[:head]) || !bytes.Equal(out[head:], want[len(want)-tail:]) {
		s.t.Fatalf("stream %d: head or tail is not what was written", stream)
	}
	if before := want[len(want)-tail-1]; before != '\n' {
		s.t.Errorf("stream %d: the tail begins after %q", stream, before)
	}
	return len(out)
}

// checkStatement checks the signature of an agent over what a step wrote.
func checkStatement(t testing.TB, data, step, command string, exit *wire.Exit, out, err []byte) {
	t.Helper()
	id, e := wire.LoadIdentity(filepath.Join(data, "agent.key"))
	if e != nil {
		t.Fatal(e)
	}
	s := statement.Statement{
		Step: step, Command: command, Exit: int(exit.GetCode()), Signal: exit.GetSignal(),
		Stdout: statement.Output{Bytes: int64(len(out)), SHA256: sha256.Sum256(out)},
		Stderr: statement.Output{Bytes: int64(len(err)), SHA256: sha256.Sum256(err)},
	}
	if !ed25519.Verify(id.Public(), s.Text(), exit.GetStatement()) {
		t.Errorf("statement of step %s does not verify", step)
	}
	s.Stdout.SHA256[0]++
	if ed25519.Verify(id.Public(), s.Text(), exit.GetStatement()) {
		t.Errorf("statement of step %s verifies other output", step)
	}
}

// A connection that dies while the tail is sent costs nothing, wherever the record
// ends: before the gap, behind it, or within the tail.
func TestLossInTail(t *testing.T) {
	want := []byte(lines(floodLines))
	for name, resumed := range map[string]func(s *stubStep){
		"before the gap": func(s *stubStep) {
			at := s.gaps[1][0].GetOffset()
			s.next[1], s.gaps[1] = at, nil
			s.out[1].Truncate(int(at))
		},
		"behind the gap": func(s *stubStep) {
			at := s.gaps[1][0].GetOffset()
			s.next[1] = at + s.gaps[1][0].GetBytes()
			s.out[1].Truncate(int(at))
		},
		"in the tail": func(s *stubStep) { s.ack() },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *world) {
				const limit = 1 << 20
				s := w.agent().startLimited("S1", "flood", limit)
				begun := time.Now()
				inTail := func() bool {
					return len(s.gaps[1]) > 0 && s.next[1] > s.gaps[1][0].GetOffset()+s.gaps[1][0].GetBytes()+50_000
				}
				for !inTail() {
					if _, err := s.read(); err != nil {
						t.Fatal(err)
					}
				}
				resumed(s)
				w.cable.cut.Store(true)
				wait(10 * time.Minute)
				w.cable.cut.Store(false)
				s = w.agent().resume("S1", s)
				exit := s.exit()
				if exit.GetState() != wire.Exit_STATE_OK || time.Since(begun) > time.Hour {
					t.Fatal(describe(exit))
				}
				if n := s.checkLeftOut(1, want) + s.checkLeftOut(2, want); n > limit || n < limit*3/4 {
					t.Errorf("%d bytes were sent of %d", n, limit)
				}
				sum := sha256.Sum256(want)
				for _, total := range exit.GetTotals() {
					if !bytes.Equal(total.GetSha256(), sum[:]) {
						t.Errorf("stream %d has another hash", total.GetStream())
					}
				}
				s.done()
			})
		})
	}
}

// Whatever the limit is and however output comes: at most the limit is kept, of
// little output all, and head, gap and tail are together what was written.
func TestOutputModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		limit := int64(rng.IntN(3000))
		sp, err := spool.Create(filepath.Join(t.TempDir(), "S1"), spool.Config{})
		if err != nil {
			t.Fatal(err)
		}
		o := newOutput(sp, limit)
		var want [spool.Streams][]byte
		for range rng.IntN(60) {
			stream := 1 + rng.IntN(2)
			data := make([]byte, 1+rng.IntN(200))
			for i := range data {
				data[i] = "abc\n\x00\xff"[rng.IntN(6)]
			}
			if err := o.put(t.Context(), stream, data); err != nil {
				t.Fatal(err)
			}
			want[stream-1] = append(want[stream-1], data...)
		}
		for range 2 { // the second time there is nothing left to do
			if err := o.finish(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := sp.End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		checkOutput(t, sp, limit, want)
		_ = sp.Close()
	}
}

func checkOutput(t *testing.T, sp *spool.Spool, limit int64, want [spool.Streams][]byte) {
	t.Helper()
	r, err := sp.NewReader([spool.Streams]int64{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var next [spool.Streams]int64
	var kept, gaps int64
	for {
		rec, ok, err := r.Poll()
		if err != nil || !ok {
			t.Fatal("no end: ", err)
		}
		if rec.End {
			break
		}
		i := rec.Stream - 1
		if rec.Offset != next[i] || !bytes.Equal(rec.Data, want[i][next[i]:][:len(rec.Data)]) {
			t.Fatalf("limit %d: stream %d is wrong at %d", limit, rec.Stream, rec.Offset)
		}
		next[i] += rec.Gap + int64(len(rec.Data))
		kept += int64(len(rec.Data))
		if rec.Gap > 0 {
			gaps++
		}
	}
	all := int64(len(want[0]) + len(want[1]))
	if next[0]+next[1] != all || gaps > spool.Streams {
		t.Fatalf("limit %d: %v of %d bytes, %d gaps", limit, next, all, gaps)
	}
	if limit > 0 && kept > limit || (limit == 0 || all <= limit-spool.Streams*(limit/8)) && kept < all {
		t.Fatalf("limit %d: kept %d of %d", limit, kept, all)
	}
	for _, total := range sp.Totals() {
		if sum := sha256.Sum256(want[total.Stream-1]); !bytes.Equal(sum[:], total.SHA256) {
			t.Errorf("limit %d: stream %d has another hash", limit, total.Stream)
		}
	}
}
