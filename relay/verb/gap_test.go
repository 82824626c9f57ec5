package verb

import (
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// leave leaves bytes of a stream out.
func (s *step) leave(stream sessionlog.Stream, bytes int64) {
	gap := sessionlog.Gap{Stream: stream.String(), Offset: s.offsets[stream], Bytes: bytes, Why: "output limit\x1b[2J"}
	s.offsets[stream] += bytes
	s.w.append(s.rec, sessionlog.New(sessionlog.StepGap, sessionlog.Agent(s.ep.Path()), s.id, gap))
}

// A gap is told on stderr, stdout has what there is of stdout, and a sequence that
// the head left open does not swallow the tail.
func TestRunTellsGaps(t *testing.T) {
	act := func(s *step) {
		s.out(sessionlog.Stdout, "head\n\x1b]0;open")
		s.leave(sessionlog.Stdout, 12345)
		s.out(sessionlog.Stdout, "tail\n")
		s.leave(sessionlog.Stderr, 7)
		s.exit(0)
	}
	w := newWorld(t, "acme/db01", "acme/db02")
	w.act = act
	got := w.say(t, "run db01 -- x")
	const said = "12345 bytes of stdout not recorded: output limit\ncaisey: 7 bytes of stderr not recorded: output limit\n"
	if got.out != "head\ntail\n" || got.err != "caisey: "+said || got.code != 0 {
		t.Errorf("exit %d, stdout %q, stderr %q", got.code, got.out, got.err)
	}
	got = w.say(t, "run acme/* -- x")
	for _, name := range []string{"acme/db01: ", "acme/db02: "} {
		if !strings.Contains(got.out, name+"head\n") || !strings.Contains(got.out, name+"tail\n") ||
			!strings.Contains(got.err, "caisey: "+name+"12345 bytes of stdout") {
			t.Errorf("stdout %q, stderr %q", got.out, got.err)
		}
	}
	got = w.say(t, "run --fold acme/* -- x")
	if !strings.Contains(got.out, "head\ntail\n") || strings.Count(got.err, "caisey: "+said) != 1 {
		t.Errorf("stdout %q, stderr %q", got.out, got.err)
	}
}
