package replay

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/tui/vt"
)

// A counter counts what is read of a record.
type counter struct {
	sessionlog.Reader
	events int
}

func (c *counter) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	evs, err := c.Reader.Read(ctx, from, limit)
	c.events += len(evs)
	return evs, err
}

// notes returns a log of notes at these times after start.
func notes(t testing.TB, at ...time.Duration) *logtest.Memory {
	log := logtest.NewMemory()
	evs := make([]sessionlog.Event, len(at))
	for i, d := range at {
		evs[i] = sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: fmt.Sprint("note ", i+1)})
		evs[i].Time = start.Add(d)
	}
	if _, err := sessionlog.Append(context.Background(), log, evs...); err != nil {
		t.Fatal(err)
	}
	return log
}

func tape(t testing.TB, r sessionlog.Reader) *Tape {
	t.Helper()
	tape, err := NewTape(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

func TestSeek(t *testing.T) {
	for _, test := range []struct {
		what string
		at   []time.Duration
		from sessionlog.Seq
		to   time.Duration
		want sessionlog.Seq
	}{
		{"one event", []time.Duration{0}, 1, 5 * s, 1},
		{"one event, before it", []time.Duration{0}, 1, -s, 1},
		{"between two", []time.Duration{0, 2 * s, 4 * s}, 1, 3 * s, 2},
		{"at one", []time.Duration{0, 2 * s, 4 * s}, 1, 2 * s, 2},
		{"back", []time.Duration{0, 2 * s, 4 * s}, 3, s, 1},
		{"equal times", []time.Duration{0, s, s, s, s, 2 * s}, 1, s, 5},
		{"equal times, back", []time.Duration{0, s, s, s, s, 2 * s}, 6, s, 5},
		{"equal times, from among them", []time.Duration{0, s, s, s, s, 2 * s}, 3, s, 5},
		{"all at once", []time.Duration{0, 0, 0, 0}, 1, 0, 4},
		{"past the end", []time.Duration{0, s, 2 * s}, 2, time.Hour, 3},
		{"set back, on from before", []time.Duration{0, 10 * s, 20 * s, 5 * s, 15 * s, 30 * s}, 1, 16 * s, 5},
		{"set back, back from after", []time.Duration{0, 10 * s, 20 * s, 5 * s, 15 * s, 30 * s}, 6, 16 * s, 5},
		{"set back before the start", []time.Duration{0, 10 * s, -time.Hour, -time.Hour + s}, 4, 5 * s, 4},
	} {
		t.Run(test.what, func(t *testing.T) {
			tp := tape(t, notes(t, test.at...))
			got, err := tp.Seek(context.Background(), test.from, test.to)
			if err != nil || got.Seq != test.want || got.At != max(0, test.at[test.want-1]) {
				t.Errorf("event %d at %v, %v, want %d", got.Seq, got.At, err, test.want)
			}
		})
	}
}

// TestSeekAnywhere asserts for any times, those of a clock set back included, that
// the event found is not after the time while the next one is, and that it is the
// only such event where times never decrease.
func TestSeekAnywhere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		least := rapid.SampledFrom([]int{0, -3000}).Draw(rt, "least gap")
		at := []time.Duration{0}
		for _, ms := range rapid.SliceOfN(rapid.IntRange(least, 3000), 0, 200).Draw(rt, "gaps") {
			at = append(at, at[len(at)-1]+time.Duration(ms)*time.Millisecond)
		}
		log := &counter{Reader: notes(t, at...)}
		tp := tape(t, log)
		from := sessionlog.Seq(rapid.IntRange(1, len(at)).Draw(rt, "from"))
		to := time.Duration(rapid.IntRange(-1000, 300_000).Draw(rt, "to")) * time.Millisecond
		log.events = 0
		got, err := tp.Seek(context.Background(), from, to)
		if err != nil {
			rt.Fatal(err)
		}
		i := int(got.Seq) - 1
		if to = max(to, 0); got.At > to || i+1 < len(at) && max(0, at[i+1]) <= to {
			rt.Fatalf("event %d at %v for %v", got.Seq, got.At, to)
		}
		if log.events > 2+2*9 {
			rt.Fatalf("read %d of %d events", log.events, len(at))
		}
	})
}

func TestTapeOfAnEmptyRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := logtest.NewMemory()
		got := make(chan *Tape, 1)
		go func() {
			tape, _ := NewTape(t.Context(), log)
			got <- tape
		}()
		synctest.Wait()
		if len(got) > 0 {
			t.Error("there is a tape of nothing")
		}
		ev := sessionlog.New(sessionlog.NoteAdded, "relay", "", sessionlog.Note{})
		ev.Time = start
		if _, err := sessionlog.Append(t.Context(), log, ev); err != nil {
			t.Fatal(err)
		}
		if tape := <-got; !tape.Start().Equal(start) {
			t.Errorf("begins at %v", tape.Start())
		}
		empty := logtest.NewMemory()
		empty.Close()
		if _, err := NewTape(t.Context(), empty); err == nil {
			t.Error("a record that was closed empty has a tape")
		}
	})
}

// busy is a record of n steps, each of four events but for the silent ones: every
// fifth does not end well, every seventh step has a note behind it.
func busy(t testing.TB, n int) *logtest.Memory {
	log := logtest.NewMemory()
	var evs []sessionlog.Event
	add := func(ev sessionlog.Event) {
		ev.Time = start.Add(time.Duration(len(evs)) * s)
		evs = append(evs, ev)
	}
	for i := range n {
		id, end := sessionlog.StepID(fmt.Sprint("step-", i)), sessionlog.Ended{State: sessionlog.OK}
		if i%5 == 4 {
			end = sessionlog.Ended{State: sessionlog.Failed, Exit: 1}
		}
		add(sessionlog.New(sessionlog.StepRequested, "technician:bo", id, sessionlog.Requested{Command: fmt.Sprint("cmd ", i)}))
		for k := range 2 {
			text := fmt.Sprintf("%s of cmd %d\n", []string{"First", "second"}[k], i)
			add(sessionlog.NewOutput("agent:x", id, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: int64(k * len(fmt.Sprintf("First of cmd %d\n", i))), Data: []byte(text)}))
		}
		add(sessionlog.New(sessionlog.StepEnded, "agent:x", id, end))
		if i%7 == 6 {
			add(sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: "remember"}))
		}
	}
	if _, err := sessionlog.Append(context.Background(), log, evs...); err != nil {
		t.Fatal(err)
	}
	return log
}

// TestMarks asserts that wherever one stands, the next mark and the one before are
// the same whether the Index has them, has some of them, or has none.
func TestMarks(t *testing.T) {
	log, ctx := busy(t, 700), context.Background() // 2,900 events
	evs, err := log.Read(ctx, 1, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, filled := range []int{0, 100, 1 << 20} {
		x := NewIndex(tape(t, log))
		if more, err := x.Fill(ctx, filled); err != nil || more != (filled < 10_000) {
			t.Fatalf("fill: %v, %v", more, err)
		}
		for from := 1; from <= len(evs); from += 97 {
			for _, kinds := range [][]MarkKind{{Command}, {Trouble, Note}} {
				for _, by := range []int{1, -1} {
					got, err := x.Next(ctx, sessionlog.Seq(from), by, kinds...)
					if err != nil {
						t.Fatal(err)
					}
					want := sessionlog.Seq(0)
					for i := from - 1 + by; i >= 0 && i < len(evs) && want == 0; i += by {
						if k := Marks(evs[i]); k == kinds[0] || k == kinds[len(kinds)-1] && k != 0 {
							want = evs[i].Seq
						}
					}
					if got.Seq != want {
						t.Fatalf("filled %d, from %d by %d to %s: %d, want %d", filled, from, by, kinds, got.Seq, want)
					}
				}
			}
		}
	}
}

func TestIndexKnowsWhatRuns(t *testing.T) {
	log, ctx := busy(t, 40), context.Background()
	x := NewIndex(tape(t, log))
	if more, err := x.Fill(ctx, 1000); more || err != nil {
		t.Fatal(more, err)
	}
	for at := sessionlog.Seq(1); at <= log.Head().Seq; at++ {
		evs, err := log.Read(ctx, 1, int(at-1))
		if err != nil {
			t.Fatal(err)
		}
		var st sessionlog.State
		for _, ev := range evs {
			st.Apply(ev)
		}
		want := 0
		for _, step := range st.Steps {
			if step.Ended == nil {
				want++
			}
		}
		if got := x.Running(at, 100); len(got) != want {
			t.Errorf("before event %d run %d, want %d", at, len(got), want)
		}
	}
	if log.Close(); x.Step("step-3").Asked != 13 || x.Step("none").ID != "" {
		t.Errorf("steps: %+v", x.Step("step-3"))
	}
}

// TestFind asserts that going from hit to hit passes all lines with the text, in
// either direction.
func TestFind(t *testing.T) {
	log, ctx := busy(t, 160), context.Background() // 662 events
	tp := tape(t, log)
	for text, want := range map[string]int{"FIRST": 160, "cmd 15": 3 * 11, "remember": 22, "First of cmd 159": 1, "nowhere": 0} {
		for _, by := range []int{1, -1} {
			at, seen := Hit{}, 0
			if by < 0 {
				at.Seq = log.Head().Seq
			}
			for last := at; ; last = at {
				var err error
				if at, err = tp.Find(ctx, text, at, by, nil); err != nil {
					t.Fatal(err)
				}
				if at.Seq == 0 {
					break
				}
				if seen > 0 && (int64(at.Seq)-int64(last.Seq))*int64(by) <= 0 {
					t.Fatalf("%q by %d: from %d to %d", text, by, last.Seq, at.Seq)
				}
				seen++
			}
			if seen != want {
				t.Errorf("%q by %d: %d lines, want %d", text, by, seen, want)
			}
		}
	}
}

// TestScanIsWhatIsSeen asserts that looking at plain text as it is finds the lines
// that are drawn, however the text is cut into events.
func TestScanIsWhatIsSeen(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		piece := rapid.SampledFrom([]string{"ab", "aB", "\n", "b\na", "\x1b[1m", "\r", "\t", "é", strings.Repeat("ab", 3000), " "})
		s := &scan{text: rapid.SampledFrom([]string{"ab", "ba", "é", "a b"}).Draw(rt, "text"), lines: map[streamKey]*torn{}}
		var lines vt.Lines
		for range rapid.IntRange(1, 8).Draw(rt, "chunks") {
			data := strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(rt, "data"), "")
			want := 0
			lines.Write([]byte(data), func(l vt.Line) {
				if Contains(l.Text, s.text) {
					want++
				}
			})
			ev := sessionlog.NewOutput("agent:x", "A", sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte(data)})
			if got, _ := s.take(ev); got != want {
				rt.Fatalf("%q: %d lines of %q, want %d", data, got, s.text, want)
			}
		}
	})
}

// A line that comes in pieces, with colours and among others, is found as it is
// seen, and all lines of one event are found one by one.
func TestFindSeesWhatPeopleSee(t *testing.T) {
	log, ctx, off := logtest.NewMemory(), context.Background(), int64(0)
	add := func(ev sessionlog.Event) {
		if _, err := sessionlog.Append(ctx, log, ev); err != nil {
			t.Fatal(err)
		}
	}
	put := func(text string) {
		add(sessionlog.NewOutput("agent:x", "A", sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: []byte(text)}))
		off += int64(len(text))
	}
	add(sessionlog.New(sessionlog.StepRequested, "technician:bo", "A", sessionlog.Requested{Command: "make"}))
	put("all good\nERR\x1b[31mOR: no")                     // 2
	put(" space\nwrong\rright\nerror one\nx\nError two\n") // 3
	put("error at the end")                                // 4
	add(sessionlog.New(sessionlog.StepEnded, "agent:x", "A", sessionlog.Ended{State: sessionlog.OK}))
	tp := tape(t, log)
	for text, want := range map[string][]Hit{
		"error":           {{3, "A", false, 2, 3}, {3, "A", false, 1, 3}, {3, "A", false, 0, 3}, {5, "A", false, 0, 1}},
		"error: no space": {{3, "A", false, 0, 1}},
		"wrong":           nil,
		"make":            {{1, "A", true, 0, 1}},
	} {
		var on, back []Hit
		for at := (Hit{}); ; on = append(on, at) {
			if at, _ = tp.Find(ctx, text, at, 1, nil); at.Seq == 0 {
				break
			}
		}
		for at := (Hit{Seq: 9}); ; back = append([]Hit{at}, back...) {
			if at, _ = tp.Find(ctx, text, at, -1, nil); at.Seq == 0 {
				break
			}
		}
		if fmt.Sprint(on) != fmt.Sprint(want) || fmt.Sprint(back) != fmt.Sprint(want) {
			t.Errorf("%q: on %v, back %v, want %v", text, on, back, want)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := tp.Find(ended, "error", Hit{}, 1, nil); err == nil {
		t.Error("a search that was given up found something")
	}
}
