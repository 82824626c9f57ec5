package replay

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A Hit is a line that has a text.
type Hit struct {
	// Seq is of the event that completed the line. 0 is no hit.
	Seq  sessionlog.Seq
	Step sessionlog.StepID // "" for a note
	// Head says that the line is a command or a note, not output.
	Head bool
	// Of lines of the event have the text; the Nth is this one, counted from the
	// last, which is 0.
	Nth, Of int
}

// How a record is read that is searched.
const (
	scanPage = 1024
	// lead is how many events before a place are read to know how the lines begin
	// that end behind it. A line that takes more is cut there.
	lead = 64
	// maxScanned is the most streams followed at once.
	maxScanned = 1024
)

// A streamKey names a stream of a record.
type streamKey struct {
	step   sessionlog.StepID
	stream sessionlog.Stream
}

// A scan finds lines with a text in events that follow one another.
type scan struct {
	text  string // in lower case
	lines map[streamKey]*torn
	found int
	low   []byte // of one call
}

// A torn stream is one of which a line is not complete, or which is not plain.
type torn struct {
	vt.Lines
	odd bool // it had more than plain text: what its bytes mean, Lines knows
}

// Contains reports whether a line that is safe to draw has a text, which is in
// lower case.
func Contains(line, text string) bool {
	if strings.IndexByte(line, '\x1b') >= 0 {
		line = ansi.Strip(line)
	}
	return strings.Contains(strings.ToLower(line), text)
}

func (s *scan) line(l vt.Line) {
	if Contains(l.Text, s.text) {
		s.found++
	}
}

// take returns how many lines with the text the event completes, and whether they
// are a command or a note.
func (s *scan) take(ev sessionlog.Event) (n int, head bool) {
	s.found = 0
	switch ev.Kind {
	case sessionlog.StepRequested:
		var req sessionlog.Requested
		_ = ev.Decode(&req)
		s.line(vt.PlainLine(req.Command))
		head = true
	case sessionlog.NoteAdded:
		var note sessionlog.Note
		_ = ev.Decode(&note)
		s.line(vt.PlainLine(note.Text))
		head = true
	case sessionlog.StepOutput:
		if ev.Chunk != nil {
			s.output(streamKey{ev.Step, ev.Chunk.Stream}, ev.Chunk.Data)
		}
	case sessionlog.StepGap, sessionlog.StepEnded:
		for _, stream := range []sessionlog.Stream{sessionlog.Stdout, sessionlog.Stderr, sessionlog.RowStream} {
			if key := (streamKey{ev.Step, stream}); s.lines[key] != nil {
				s.lines[key].Flush(s.line)
				delete(s.lines, key)
			}
		}
	}
	return s.found, head
}

// output takes the next output of a stream. Of plain text, which is most, whole
// lines are looked at as they are.
func (s *scan) output(key streamKey, data []byte) {
	l := s.lines[key]
	switch odd := !plain(data); {
	case odd:
		l = s.stream(key)
		l.odd = true
		fallthrough
	case l != nil && l.odd:
		l.Write(data, s.line)
		return
	case l != nil:
		end := bytes.IndexByte(data, '\n') + 1
		if end == 0 {
			end = len(data)
		} else {
			delete(s.lines, key)
		}
		l.Write(data[:end], s.line)
		data = data[end:]
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	s.whole(data[:end])
	if end < len(data) {
		s.stream(key).Write(data[end:], s.line)
	}
}

// whole looks at whole lines of plain text.
func (s *scan) whole(data []byte) {
	s.low = s.low[:0]
	for _, c := range data {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		s.low = append(s.low, c)
	}
	if bytes.Contains(s.low, []byte(s.text)) {
		var l vt.Lines
		l.Write(data, s.line)
	}
}

// plain reports whether data is printable ASCII and line ends, which are drawn as
// they are.
func plain(data []byte) bool {
	for _, c := range data {
		if (c < ' ' || c > '~') && c != '\n' {
			return false
		}
	}
	return true
}

func (s *scan) stream(key streamKey) *torn {
	l := s.lines[key]
	if l == nil {
		if len(s.lines) >= maxScanned {
			clear(s.lines)
		}
		l = &torn{}
		s.lines[key] = l
	}
	return l
}

// run reads the events of from..to and calls found with each that has hits, until
// it returns false. progress, if not nil, is told how far it is.
func (s *scan) run(ctx context.Context, r sessionlog.Reader, from, to sessionlog.Seq, progress func(sessionlog.Seq), found func(Hit) bool) error {
	s.lines = map[streamKey]*torn{}
	for next := from - min(lead, from-1); next <= to; {
		evs, err := r.Read(ctx, next, int(min(scanPage, to-next+1)))
		if err != nil {
			return fmt.Errorf("search record: %w", err)
		}
		if len(evs) == 0 {
			return nil
		}
		for _, ev := range evs {
			n, head := s.take(ev)
			if n > 0 && ev.Seq >= from && !found(Hit{Seq: ev.Seq, Step: ev.Step, Head: head, Nth: n - 1, Of: n}) {
				return nil
			}
		}
		next = evs[len(evs)-1].Seq + 1
		if progress != nil {
			progress(next - 1)
		}
	}
	return nil
}

// Find returns the next line (by > 0) or the one before that has text, whatever
// its case, after a hit, or after an event where Of is 0. It reads on until it
// finds one. Its Seq is 0 if there is none.
func (t *Tape) Find(ctx context.Context, text string, after Hit, by int, progress func(sessionlog.Seq)) (Hit, error) {
	s := &scan{text: strings.ToLower(text)}
	var hit Hit
	if next := after.Nth - by; after.Of > 0 && next >= 0 && next < after.Of {
		after.Nth = next
		return after, nil
	}
	if by > 0 {
		err := s.run(ctx, t.r, after.Seq+1, t.r.Head().Seq, progress, func(h Hit) bool { hit = h; return false })
		return hit, err
	}
	hi := after.Seq
	if after.Of == 0 {
		hi++
	}
	for step := sessionlog.Seq(lead); hi > 1 && hit.Seq == 0; step = min(2*step, 8*scanPage) {
		lo := hi - min(step, hi-1)
		if err := s.run(ctx, t.r, lo, hi-1, nil, func(h Hit) bool { hit = h; return true }); err != nil {
			return Hit{}, err
		}
		hi = lo
		if progress != nil {
			progress(hi)
		}
	}
	hit.Nth = 0
	return hit, nil
}
