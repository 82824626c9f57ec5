package quicrelay

import (
	"bytes"
	"crypto/sha256"
	"os/exec"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/statement"
)

// A story is what the record of a session says of one step, and by whose key.
type story struct {
	key     string
	step    string
	command string
	output  map[sessionlog.Stream][]byte // with zeros where some was left out
	gaps    []sessionlog.Gap
	ended   sessionlog.Ended
}

// tell runs a command and returns what the record says, from its first event on.
func (s *station) tell(ep console.Endpoint, run console.Run) *story {
	s.t.Helper()
	ctx := s.t.Context()
	opened, err := s.root.Do(ctx, console.Open{Endpoint: ep.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	run.Session, run.Step = opened.Session, sessionlog.NewStepID()
	if _, err := s.root.Do(ctx, run); err != nil {
		s.t.Fatal(err)
	}
	feed, err := s.root.Watch(ctx, opened.Session, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	defer feed.Close()
	told := &story{step: string(run.Step), output: map[sessionlog.Stream][]byte{}}
	for {
		evs, err := feed.Next(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, ev := range evs {
			if (ev.Step == run.Step || ev.Kind == sessionlog.SessionOpened) && s.hear(told, ev) {
				return told
			}
		}
	}
}

// hear adds an event to a story and says whether it was the last one.
func (s *station) hear(told *story, ev sessionlog.Event) (last bool) {
	s.t.Helper()
	var opened sessionlog.Opened
	var asked sessionlog.Requested
	var gap sessionlog.Gap
	decode := func(v any) {
		s.t.Helper()
		if err := ev.Decode(v); err != nil {
			s.t.Fatal(err)
		}
	}
	switch ev.Kind {
	case sessionlog.SessionOpened:
		decode(&opened)
		told.key = opened.AgentKey
	case sessionlog.StepRequested:
		decode(&asked)
		told.command = asked.Command
	case sessionlog.StepOutput:
		told.output[ev.Chunk.Stream] = append(told.output[ev.Chunk.Stream], ev.Chunk.Data...)
	case sessionlog.StepGap:
		decode(&gap)
		told.gaps = append(told.gaps, gap)
		stream, err := sessionlog.ParseStream(gap.Stream)
		if err != nil || gap.Offset != int64(len(told.output[stream])) {
			s.t.Fatal(gap, err)
		}
		told.output[stream] = append(told.output[stream], make([]byte, gap.Bytes)...)
	case sessionlog.StepEnded:
		decode(&told.ended)
		return true
	}
	return false
}

// verify checks the endpoint's signature over a step's output.
func (told *story) verify(output map[sessionlog.Stream][]byte) error {
	of := func(stream sessionlog.Stream) statement.Output {
		return statement.Output{Bytes: int64(len(output[stream])), SHA256: sha256.Sum256(output[stream])}
	}
	return statement.Statement{
		Step: told.step, Command: told.command, Exit: told.ended.Exit, Signal: told.ended.Signal,
		Stdout: of(sessionlog.Stdout), Stderr: of(sessionlog.Stderr),
	}.Verify(told.key, told.ended.Statement)
}

// What an endpoint signed holds for the record as it is, whatever became of the
// command, and for no other.
func TestStatementHoldsForTheRecord(t *testing.T) {
	s := newStation(t)
	ep := s.agent("db01")
	for name, c := range map[string]struct {
		run  console.Run
		want sessionlog.Outcome
	}{
		"ok":        {console.Run{Command: "echo hello; echo oops >&2"}, sessionlog.OK},
		"silent":    {console.Run{Command: "true"}, sessionlog.OK},
		"code":      {console.Run{Command: "seq 100000; exit 3"}, sessionlog.Failed},
		"signal":    {console.Run{Command: "echo dead; kill -9 $$"}, sessionlog.Failed},
		"timed out": {console.Run{Command: "echo slow; sleep 60", Timeout: 200 * time.Millisecond}, sessionlog.TimedOut},
	} {
		t.Run(name, func(t *testing.T) {
			told := s.tell(ep, c.run)
			if told.ended.State != c.want {
				t.Fatalf("ended %+v", told.ended)
			}
			if err := told.verify(told.output); err != nil {
				t.Fatalf("%v: %+v", err, told.ended)
			}
			for stream, data := range told.output {
				altered := map[sessionlog.Stream][]byte{stream: bytes.Clone(data)}
				altered[stream][len(data)/2] ^= 1
				if told.verify(altered) == nil {
					t.Errorf("a record with other %s holds", stream)
				}
			}
			told.ended.Exit++
			if told.verify(told.output) == nil {
				t.Error("a record with another exit code holds")
			}
		})
	}
}

// Of a command that writes more than the limit the record has head and tail, how
// much is between them, and the endpoint's word for all of it.
func TestOutputLimitOverQUIC(t *testing.T) {
	const limit = 1 << 20
	s := newStationWith(t, limit, Config{})
	told := s.tell(s.agent("db01"), console.Run{Command: "seq 1000000; seq 500000 >&2"})
	kept := int64(0)
	for stream, n := range map[sessionlog.Stream]string{sessionlog.Stdout: "1000000", sessionlog.Stderr: "500000"} {
		want, err := exec.Command("seq", n).Output()
		if err != nil {
			t.Fatal(err)
		}
		got := told.output[stream]
		if len(got) != len(want) {
			t.Fatalf("%s has %d bytes, not %d", stream, len(got), len(want))
		}
		for _, gap := range told.gaps {
			if gap.Stream == stream.String() {
				kept += int64(len(got)) - gap.Bytes
				copy(got[gap.Offset:], want[gap.Offset:gap.Offset+gap.Bytes])
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: head or tail is not what was written", stream)
		}
	}
	if len(told.gaps) != 2 || told.gaps[0].Why != "output limit of 1 MiB" || kept > limit || kept < limit*3/4-32<<10 {
		t.Errorf("%d bytes are kept, gaps %+v", kept, told.gaps)
	}
	if told.ended.State != sessionlog.OK {
		t.Errorf("ended %+v", told.ended)
	}
	if err := told.verify(told.output); err != nil {
		t.Error(err)
	}
}
