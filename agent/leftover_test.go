package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
)

// leave makes what an earlier agent left of a step that ran when it died.
func leave(t *testing.T, data, id string, cfg spool.Config, fill func(*spool.Spool)) {
	t.Helper()
	dir := filepath.Join(data, "spool", id)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Create(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	fill(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := spool.OpenJournal(filepath.Join(data, "ran"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Add(id); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// end reads a step up to its end.
func (s *stubStep) end() *wire.Exit {
	s.t.Helper()
	for {
		m, err := s.read()
		if err != nil || m.GetRefused() != nil {
			s.t.Fatal(m, err)
		}
		if exit := m.GetExit(); exit != nil {
			return exit
		}
	}
}

// A crash of the system may take from the spool what the relay has recorded. The
// step has its end all the same.
func TestResumeBehindTheRecord(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	leave(t, data, "S1", spool.Config{}, func(s *spool.Spool) {
		if err := s.Append(t.Context(), 1, []byte("hello\n")); err != nil {
			t.Fatal(err)
		}
	})
	runAgent(t, Config{Data: data})
	c := r.agent()
	for _, bad := range []*wire.Ack{{Stream: 1, Offset: -1}, {Stream: 0, Offset: 1}, {Stream: 4, Offset: 1}} {
		m := &wire.Resume{Step: "S1", Acked: []*wire.Ack{bad}}
		refused := c.open(&wire.ToStep{Message: &wire.ToStep_Resume{Resume: m}}).refused()
		if refused.GetCode() != wire.Refused_CODE_INVALID {
			t.Errorf("%v: %v", bad, refused)
		}
	}
	at := &stubStep{t: t}
	at.next = [4]int64{0, 100, 7}
	s := c.resume("S1", at)
	exit := s.end()
	if exit.GetState() != wire.Exit_STATE_LOST || s.out[1].Len() != 0 {
		t.Fatal(describe(exit), s.out[1].String())
	}
	if totals := exit.GetTotals(); len(totals) != 1 || totals[0].GetBytes() != 6 {
		t.Fatal(totals)
	}
	s.done()
}

// A relay that says of no stream what is recorded gets all that is left.
func TestResumeWithoutAcks(t *testing.T) {
	cfg := spool.Config{SegmentSize: 1000}
	r := newStub(t)
	data := enrolled(t, r)
	var start [spool.Streams]int64
	leave(t, data, "S1", cfg, func(s *spool.Spool) {
		for _, text := range []string{"a", "b", "c"} {
			for stream := 1; stream <= 2; stream++ {
				if err := s.Append(t.Context(), stream, []byte(strings.Repeat(text, 1000))); err != nil {
					t.Fatal(err)
				}
			}
		}
		for stream := 1; stream <= 2; stream++ {
			if err := s.Ack(stream, 1500); err != nil {
				t.Fatal(err)
			}
		}
		start = s.Start()
	})
	if start != [spool.Streams]int64{1000, 1000} {
		t.Fatalf("the spool begins at %v", start)
	}
	runAgent(t, Config{Data: data, Spool: cfg})
	c := r.agent()
	rest := strings.Repeat("b", 1000) + strings.Repeat("c", 1000)
	for _, acked := range [][]*wire.Ack{nil, {{Stream: 1, Offset: 1500}}} {
		s := c.open(&wire.ToStep{Message: &wire.ToStep_Resume{Resume: &wire.Resume{Step: "S1", Acked: acked}}})
		s.next = [4]int64{0, 1000, 1000}
		want := rest
		if acked != nil {
			s.next[1], want = 1500, rest[500:]
		}
		if exit := s.end(); exit.GetState() != wire.Exit_STATE_LOST {
			t.Fatal(describe(exit))
		}
		if s.out[1].String() != want || s.out[2].String() != rest {
			t.Errorf("%v: got %d and %d bytes", acked, s.out[1].Len(), s.out[2].Len())
		}
		if acked != nil {
			s.done()
		}
	}
}
