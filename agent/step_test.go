//go:build unix

package agent

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
)

// begin returns a relay, its one agent, and the agent's data directory.
func begin(t testing.TB, cfg Config) (*stubConn, string) {
	t.Helper()
	r := newStub(t)
	cfg.Data = enrolled(t, r)
	runAgent(t, cfg)
	return r.agent(), cfg.Data
}

func TestStep(t *testing.T) {
	c, data := begin(t, Config{})
	s := c.start("S1", `echo "$CAISEY_STEP $CAISEY_SESSION $CAISEY_TECHNICIAN"; printf '\000\377' >&2; cat; exit 5`)
	exit := s.exit()
	if exit.GetState() != wire.Exit_STATE_FAILED || exit.GetCode() != 5 || exit.GetDuration() <= 0 {
		t.Fatal(describe(exit))
	}
	if s.out[1].String() != "S1 s ana\n" || s.out[2].String() != "\x00\xff" || s.start.GetPid() == 0 {
		t.Fatalf("%q %q %v", s.out[1].String(), s.out[2].String(), s.start)
	}
	s.ack()
	s.done()
	if exists(filepath.Join(data, "spool", "S1")) {
		t.Fatal("the step is not forgotten")
	}
	if r := c.start("S1", "true").refused(); r.GetCode() != wire.Refused_CODE_DENIED || r.GetWhy() != "already ran" {
		t.Fatal("started twice: ", r)
	}
	m, err := c.resume("S1", nil).read()
	if err != nil || m.GetUnknown() == nil {
		t.Fatal("resume of a forgotten step: ", m, err)
	}
}

// A second Start of a step that is held follows the one process.
func TestStartTwice(t *testing.T) {
	c, data := begin(t, Config{})
	file := filepath.Join(data, "count")
	command := "echo x >> " + file + "; echo begun; sleep 0.3; echo ended"
	first := c.start("S1", command)
	for first.next[1] == 0 {
		if _, err := first.read(); err != nil {
			t.Fatal(err)
		}
	}
	second := c.start("S1", command)
	if exit := second.exit(); exit.GetState() != wire.Exit_STATE_OK || second.out[1].String() != "begun\nended\n" {
		t.Fatal(describe(exit), second.out[1].String())
	}
	for { // the first stream ends without having seen the end
		m, err := first.read()
		if err != nil {
			break
		}
		if m.GetExit() != nil {
			t.Fatal("two streams served the step")
		}
	}
	if count := readFile(t, file); count != "x\n" {
		t.Fatalf("ran %q", count)
	}
	second.done()
}

func TestCancelAndTimeout(t *testing.T) {
	c, _ := begin(t, Config{})
	s := c.start("S1", "echo; sleep 60")
	for s.next[1] == 0 {
		if _, err := s.read(); err != nil {
			t.Fatal(err)
		}
	}
	s.say(&wire.ToStep{Message: &wire.ToStep_Cancel{Cancel: &wire.Cancel{}}})
	if exit := s.exit(); exit.GetState() != wire.Exit_STATE_CANCELLED {
		t.Fatal(describe(exit))
	}
	s.done()
	s = c.open(startOf(&wire.Start{Step: "S2", Command: "sleep 60", Timeout: int64(50 * time.Millisecond)}))
	if exit := s.exit(); exit.GetState() != wire.Exit_STATE_TIMED_OUT {
		t.Fatal(describe(exit))
	}
	s.done()
}

func TestLimits(t *testing.T) {
	c, data := begin(t, Config{MaxSteps: 2})
	const invalid = wire.Refused_CODE_INVALID
	for _, bad := range []*wire.Start{
		{Step: "S1", Command: strings.Repeat("x", wire.MaxCommand+1)},
		{Step: "S1"},
		{Step: "S1", Command: "true\x00"},
		{Step: "../S1", Command: "true"},
		{Step: "", Command: "true"},
		{Step: strings.Repeat("x", 65), Command: "true"},
		{Step: "S1", Command: "true", Timeout: -1},
	} {
		if r := c.open(startOf(bad)).refused(); r.GetCode() != invalid || r.GetWhy() == "" {
			t.Errorf("%.40s: %v", bad, r)
		}
	}
	other := startOf(&wire.Start{Step: "S1", Command: "true", Effect: "read"})
	other.GetStart().Effect = "change"
	if r := c.open(other).refused(); r.GetCode() != wire.Refused_CODE_DENIED || !strings.Contains(r.GetWhy(), "digest") {
		t.Errorf("another effect than the one approved: %v", r)
	}
	longest := ": " + strings.Repeat("x", wire.MaxCommand-2)
	s := c.start("S2", longest)
	if exit := s.exit(); exit.GetState() != wire.Exit_STATE_OK {
		t.Errorf("longest command: %s", describe(exit))
	}
	s.done()
	one, two := c.start("S3", "sleep 60"), c.start("S4", "sleep 60")
	for _, s := range []*stubStep{one, two} {
		if _, err := s.read(); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.start("S5", "true").refused(); r.GetCode() != wire.Refused_CODE_BUSY {
		t.Errorf("third step: %v", r)
	}
	one.say(&wire.ToStep{Message: &wire.ToStep_Cancel{Cancel: &wire.Cancel{}}})
	one.exit()
	one.done()
	s = c.start("S5", "true") // a step that was refused may be started later
	s.exit()
	s.done()
	if exists(filepath.Join(data, "spool", "S1")) || exists(filepath.Join(data, "S1")) {
		t.Error("a refused step left something")
	}
}

// What is wrong on a step's stream is refused there; the connection and the
// command go on.
func TestBadMessages(t *testing.T) {
	c, _ := begin(t, Config{})
	for name, first := range map[string][]byte{
		"unknown message": {3, 0xc2, 0x3e, 0},
		"no protobuf":     {2, 0xff, 0xff},
		"too long":        {0xff, 0xff, 0xff, 0x7f},
		"ack first":       frame(t, &wire.ToStep{Message: &wire.ToStep_Ack{Ack: &wire.Ack{}}}),
		"bad field":       {2, 0xf2, 0x3f}, // a length is missing
	} {
		stream, err := c.conn.OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Write(first); err != nil {
			t.Fatal(err)
		}
		s := &stubStep{t: t, stream: stream, frames: wire.NewReader(stream)}
		want := wire.Refused_CODE_INVALID
		if name == "unknown message" {
			want = wire.Refused_CODE_UNSUPPORTED
		}
		if r := s.refused(); r.GetCode() != want {
			t.Errorf("%s: %v", name, r)
		}
	}
	s := c.start("S1", "sleep 0.5; echo done")
	s.say(&wire.ToStep{})
	if r := s.refused(); r.GetCode() != wire.Refused_CODE_UNSUPPORTED {
		t.Error(r)
	}
	s.say(&wire.ToStep{Message: &wire.ToStep_Ack{Ack: &wire.Ack{Stream: 1, Offset: 99}}})
	if r := s.refused(); r.GetCode() != wire.Refused_CODE_INVALID {
		t.Error(r)
	}
	s.say(&wire.ToStep{Message: &wire.ToStep_Done{Done: &wire.Done{}}})
	if r := s.refused(); r.GetCode() != wire.Refused_CODE_INVALID {
		t.Error(r)
	}
	if _, err := s.stream.Write([]byte{0xff, 0xff, 0xff, 0x7f}); err != nil {
		t.Fatal(err)
	}
	if r := s.refused(); r.GetCode() != wire.Refused_CODE_INVALID {
		t.Error(r)
	}
	s = c.resume("S1", nil)
	if exit := s.exit(); exit.GetState() != wire.Exit_STATE_OK || s.out[1].String() != "done\n" {
		t.Error(describe(exit))
	}
	s.done()
}

func frame(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := wire.Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A connection that dies in the middle costs nothing: the bytes are those that
// were written, once.
func TestResumeAfterLoss(t *testing.T) {
	r := newStub(t)
	cfg := Config{Data: enrolled(t, r), Spool: spool.Config{SegmentSize: 100_000, MaxUnacked: 1_000_000}}
	runAgent(t, cfg)
	c := r.agent()
	s := c.start("S1", "i=0; while [ $i -lt 3 ]; do seq 200000; seq 1000 >&2; i=$((i+1)); done")
	losses := 0
	for exit := (*wire.Exit)(nil); exit == nil; {
		m, err := s.read()
		if err != nil {
			t.Fatal(err)
		}
		exit = m.GetExit()
		s.ack()
		if losses < 4 && s.next[1] > int64(losses+1)*700_000 {
			losses++
			if losses%2 == 0 {
				s.stream.CancelRead(7)
				s.stream.CancelWrite(7)
			} else {
				_ = c.conn.CloseWithError(0, "test")
				c = r.agent()
				if len(c.hello.GetSteps()) != 1 || c.hello.GetSteps()[0] != "S1" {
					t.Fatalf("hello lists %v", c.hello.GetSteps())
				}
			}
			s = c.resume("S1", s)
		}
	}
	var want bytes.Buffer
	for range 3 {
		for k := 1; k <= 200000; k++ {
			fmt.Fprintln(&want, k)
		}
	}
	if losses != 4 || !bytes.Equal(s.out[1].Bytes(), want.Bytes()) {
		t.Fatalf("%d losses, %d bytes of %d", losses, s.out[1].Len(), want.Len())
	}
	s.done()
}

// A relay that does not acknowledge makes the command wait, and the spool stays
// within its bound.
func TestSpoolBound(t *testing.T) {
	const bound = 8 << 20
	c, data := begin(t, Config{Spool: spool.Config{MaxUnacked: bound, SegmentSize: 1 << 20}})
	const total = 100 << 20
	s := c.start("S1", fmt.Sprintf("head -c %d /dev/zero", total))
	acked, worst := int64(0), int64(0)
	for {
		m, err := s.read()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetExit() != nil {
			break
		}
		if s.next[1] > acked+bound-spool.MaxRecord || s.next[1] == total { // all there can be without an ack
			worst = max(worst, diskUse(t, filepath.Join(data, "spool", "S1")))
			s.ack()
			acked = s.next[1]
		}
	}
	if s.next[1] != total || worst > bound+3<<20 || worst < bound {
		t.Fatalf("%d bytes; the spool had up to %d", s.next[1], worst)
	}
	s.done()
}

func BenchmarkBulk(b *testing.B) {
	c, _ := begin(b, Config{})
	const total = 100 << 20
	b.SetBytes(total)
	n := 0
	for b.Loop() {
		n++
		s := c.start(fmt.Sprint("B", n), fmt.Sprintf("head -c %d /dev/zero", total))
		for acked := int64(0); ; {
			m := &wire.FromStep{}
			if err := s.frames.Read(m); err != nil {
				b.Fatal(err)
			}
			if out := m.GetOutput(); out != nil {
				s.next[1] += int64(len(out.GetData()))
				if s.next[1]-acked > 1<<20 {
					acked = s.next[1]
					s.ack()
				}
			}
			if m.GetExit() != nil {
				break
			}
		}
		s.say(&wire.ToStep{Message: &wire.ToStep_Done{Done: &wire.Done{}}})
	}
}

func BenchmarkTrue(b *testing.B) {
	c, _ := begin(b, Config{})
	n := 0
	for b.Loop() {
		n++
		s := c.start(fmt.Sprint("B", n), "true")
		if exit := s.exit(); exit.GetState() != wire.Exit_STATE_OK {
			b.Fatal(describe(exit))
		}
		s.say(&wire.ToStep{Message: &wire.ToStep_Done{Done: &wire.Done{}}})
	}
}
