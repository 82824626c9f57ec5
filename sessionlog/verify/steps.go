package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/caisey/caisey/sessionlog"
)

// steps holds what is recorded of each step against what its endpoint stated.
type steps struct {
	report   *Report
	agentKey string
	running  map[sessionlog.StepID]*step
	over     map[sessionlog.StepID]bool
	closed   bool
}

type step struct {
	command string
	streams map[sessionlog.Stream]*stream
}

type stream struct {
	end  int64
	left int64
	sum  hash.Hash
}

func newSteps(r *Report) *steps {
	return &steps{report: r, running: map[sessionlog.StepID]*step{}, over: map[sessionlog.StepID]bool{}}
}

// take looks at the next event.
func (s *steps) take(ev sessionlog.Event) {
	if s.closed {
		s.report.wrong(ev.Seq, "it comes after the end of the session")
	}
	switch ev.Kind {
	case sessionlog.SessionOpened:
		if ev.Seq != 1 {
			s.report.wrong(ev.Seq, "the session is opened once more")
		}
	case sessionlog.SessionClosed:
		s.closed = true
	case sessionlog.StepRequested:
		s.request(ev)
	case sessionlog.StepOutput:
		s.output(ev, ev.Chunk.Stream, ev.Chunk.Offset, int64(len(ev.Chunk.Data)), ev.Chunk.Data)
	case sessionlog.StepGap:
		s.gap(ev)
	case sessionlog.StepEnded:
		s.end(ev)
	}
}

func (s *steps) request(ev sessionlog.Event) {
	var req sessionlog.Requested
	if err := ev.Decode(&req); err != nil {
		s.report.wrong(ev.Seq, "%v", err)
	}
	if s.running[ev.Step] != nil || s.over[ev.Step] {
		s.report.wrong(ev.Seq, "step %s is requested twice", ev.Step)
		return
	}
	s.running[ev.Step] = &step{command: req.Command, streams: map[sessionlog.Stream]*stream{}}
}

func (s *steps) output(ev sessionlog.Event, name sessionlog.Stream, from, n int64, data []byte) {
	st := s.running[ev.Step]
	if st == nil {
		s.report.wrong(ev.Seq, "it is output of a step that does not run")
		return
	}
	out := st.streams[name]
	if out == nil {
		out = &stream{sum: sha256.New()}
		st.streams[name] = out
	}
	if from != out.end {
		s.report.wrong(ev.Seq, "its output begins at %d of %s, what is recorded ends at %d", from, name, out.end)
	}
	out.end = from + n
	out.sum.Write(data)
	s.report.Output += int64(len(data))
}

func (s *steps) gap(ev sessionlog.Event) {
	var gap sessionlog.Gap
	err := ev.Decode(&gap)
	name, perr := sessionlog.ParseStream(gap.Stream)
	if err != nil || perr != nil || gap.Bytes <= 0 {
		s.report.wrong(ev.Seq, "it is no gap in any output")
		return
	}
	s.output(ev, name, gap.Offset, gap.Bytes, nil)
	if st := s.running[ev.Step]; st != nil {
		st.streams[name].left += gap.Bytes
	}
	s.report.Gaps++
	s.report.Left += gap.Bytes
}

// end holds a step's output against what its endpoint says that it sent.
func (s *steps) end(ev sessionlog.Event) {
	var ended sessionlog.Ended
	if err := ev.Decode(&ended); err != nil {
		s.report.wrong(ev.Seq, "%v", err)
		return
	}
	st := s.running[ev.Step]
	if st == nil {
		s.report.wrong(ev.Seq, "it ends a step that does not run")
		return
	}
	delete(s.running, ev.Step)
	s.over[ev.Step] = true
	switch ended.State {
	case sessionlog.Refused, sessionlog.Offline:
		if len(st.streams) > 0 {
			s.report.wrong(ev.Seq, "step %s never ran, and has output", ev.Step)
		}
		return
	case sessionlog.Lost:
		if len(st.streams) > 0 { // recorded, and nobody vouches for it
			s.report.Ended++
		}
		return
	}
	s.report.Ended++
	if !s.mentioned(ev, st, ended.Streams) {
		return
	}
	for _, total := range ended.Streams {
		if !s.total(ev, st, total) {
			return
		}
	}
	if ended.Statement == "" {
		return
	}
	if err := Statement(s.agentKey, ev.Step, st.command, ended); err != nil {
		s.report.wrong(ev.Seq, "statement of step %s: %v", ev.Step, err)
		return
	}
	s.report.Stated++
}

// mentioned reports whether the totals are of all streams that have output, and
// of each once.
func (s *steps) mentioned(ev sessionlog.Event, st *step, totals []sessionlog.StreamTotal) bool {
	said := map[string]bool{}
	for _, total := range totals {
		if said[total.Stream] {
			s.report.wrong(ev.Seq, "step %s has two totals of %s", ev.Step, total.Stream)
			return false
		}
		said[total.Stream] = true
	}
	for name := range st.streams {
		if !said[name.String()] {
			s.report.wrong(ev.Seq, "step %s sent no %s, and some is recorded", ev.Step, name)
			return false
		}
	}
	return true
}

// total holds one stream against its total, and reports whether they agree.
func (s *steps) total(ev sessionlog.Event, st *step, total sessionlog.StreamTotal) bool {
	name, err := sessionlog.ParseStream(total.Stream)
	if _, serr := sumOf(total); err != nil || serr != nil {
		s.report.wrong(ev.Seq, "it states no hash of any output")
		return false
	}
	have := st.streams[name]
	if have == nil {
		have = &stream{sum: sha256.New()}
	}
	if have.end != total.Bytes {
		s.report.wrong(ev.Seq, "step %s sent %d bytes of %s, the record accounts for %d", ev.Step, total.Bytes, name, have.end)
		return false
	}
	if have.left == 0 && hex.EncodeToString(have.sum.Sum(nil)) != total.SHA256 {
		s.report.wrong(ev.Seq, "step %s sent other %s than is recorded", ev.Step, name)
		return false
	}
	return true
}

// finish looks at what has no end.
func (s *steps) finish() {
	if s.closed && len(s.running) > 0 {
		s.report.wrong(0, "the session is closed, and %d of its steps have no end", len(s.running))
	}
}
