package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

func testSheet(tr *transcript, width int) *sheet {
	th := newTheme(true, false, false)
	return &sheet{transcript: tr, theme: &th, method: ansi.WcWidth, width: width, now: noon}
}

// all returns every row of a transcript.
func (s *sheet) all() []string {
	var out []string
	for _, b := range s.blocks {
		lines := []int{header}
		if b.told != nil {
			lines = append(lines, answerLine)
		}
		for n := b.first(); n < b.end(); n++ {
			lines = append(lines, n)
		}
		for _, n := range lines {
			rows := s.rows(b, n)
			if c := s.count(b, n); c != len(rows) {
				panic(fmt.Sprintf("count says %d of %d rows", c, len(rows)))
			}
			for _, row := range rows {
				out = append(out, row.Text)
			}
		}
	}
	return out
}

// TestScrollIsAWindow asserts that whatever is scrolled, the rows in sight are a
// window of all rows, and where a model says.
func TestScrollIsAWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tr := &transcript{}
		for i := range rapid.IntRange(1, 6).Draw(rt, "steps") {
			step := sessionlog.StepID(fmt.Sprint(i))
			effect := rapid.SampledFrom([]sessionlog.Effect{sessionlog.EffectShell, sessionlog.EffectRead}).Draw(rt, "effect")
			tr.apply(sessionlog.New(sessionlog.StepRequested, "technician:ana", step,
				sessionlog.Requested{Command: strings.Repeat("c", rapid.IntRange(1, 60).Draw(rt, "command")), Effect: effect}))
			if b := tr.byStep[step]; b.told != nil {
				b.told.raw = rapid.Bool().Draw(rt, "raw")
				for range rapid.IntRange(0, 12).Draw(rt, "findings") {
					tr.apply(sessionlog.NewOutput("agent:x", step, sessionlog.Chunk{
						Stream: sessionlog.RowStream, Offset: b.told.next, Data: []byte(`{"finding":{"severity":"warn","text":"漢字 and more of it, which is long"}}` + "\n"),
					}))
				}
			}
			for range rapid.IntRange(0, 10).Draw(rt, "lines") {
				text := strings.Repeat("x漢", rapid.IntRange(0, 30).Draw(rt, "length")) + fmt.Sprint(i) + "\n"
				tr.apply(sessionlog.NewOutput("agent:x", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte(text)}))
			}
		}
		s := testSheet(tr, rapid.IntRange(24, 60).Draw(rt, "width"))
		height := rapid.IntRange(1, 12).Draw(rt, "height")
		all := s.all()
		end := max(0, len(all)-height)
		var sc scroll
		top := end
		if b := tr.blocks[len(tr.blocks)-1]; b.told != nil && !b.told.raw {
			top = min(end, len(all)-s.count(b, header)-s.count(b, answerLine))
		}
		for _, n := range rapid.SliceOfN(rapid.IntRange(-15, 15), 0, 12).Draw(rt, "moves") {
			s.move(&sc, n, height)
			top = min(max(top+n, 0), end)
			var got []string
			for _, row := range s.render(&sc, height) {
				got = append(got, row.Text)
			}
			if want := all[top:min(len(all), top+height)]; strings.Join(got, "\n") != strings.Join(want, "\n") {
				rt.Fatalf("after %d at %d of %d:\n%s\nwant\n%s", n, top, len(all), strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}

// A gap is a line of ours between what came before it and what comes after.
func TestTranscriptTellsGaps(t *testing.T) {
	tr := &transcript{}
	const step = sessionlog.StepID("A")
	out := func(off int64, text string) sessionlog.Event {
		return sessionlog.NewOutput("agent:x", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: []byte(text)})
	}
	tr.apply(sessionlog.New(sessionlog.StepRequested, "technician:ana", step, sessionlog.Requested{Command: "yes"}))
	tr.apply(out(0, "head\nhalf\x1b]0;open"))
	tr.apply(sessionlog.New(sessionlog.StepGap, "agent:x", step, sessionlog.Gap{
		Stream: "stdout", Offset: 18, Bytes: 12345678, Why: "output limit of 64 MiB\x1b[2J",
	}))
	tr.apply(out(12345696, "tail\n"))
	var got []string
	b := tr.blocks[0]
	for n := b.first(); n < b.end(); n++ {
		got = append(got, fmt.Sprint(b.line(n).Tag, " ", b.line(n).Text))
	}
	want := []string{
		"0 head", "0 half", fmt.Sprint(tagOurs, " … 12,345,678 bytes of stdout not recorded: output limit of 64 MiB"), "0 tail",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is %s", n, got)
		}
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	tr := &transcript{}
	for i := range 300 {
		step := sessionlog.StepID(fmt.Sprint(i))
		tr.apply(sessionlog.New(sessionlog.StepRequested, "technician:ana", step, sessionlog.Requested{Command: "c"}))
		for range 20 {
			tr.apply(sessionlog.NewOutput("agent:x", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte(strings.Repeat(strings.Repeat("y", 990)+"\n", 10))}))
		}
		if i%3 > 0 {
			tr.apply(sessionlog.New(sessionlog.StepEnded, "agent:x", step, sessionlog.Ended{State: sessionlog.OK}))
		}
		lines, bytes := 0, 0
		for _, b := range tr.blocks {
			lines += 1 + b.ring.Len()
			bytes += b.ring.Bytes()
		}
		if lines != tr.lines || bytes != tr.bytes {
			t.Fatalf("counts %d lines, %d bytes, has %d, %d", tr.lines, tr.bytes, lines, bytes)
		}
		if lines > maxLines || bytes > maxBytes {
			t.Fatalf("keeps %d lines, %d bytes", lines, bytes)
		}
	}
	if total := 300 * 201; tr.lines+tr.dropped != total {
		t.Errorf("%d lines kept, %d dropped, of %d", tr.lines, tr.dropped, total)
	}
	testSheet(tr, 80).all()
}

func TestManyStepsAreBounded(t *testing.T) {
	tr := &transcript{}
	for i := range maxLines + 5000 { // none of them ends
		tr.apply(sessionlog.New(sessionlog.StepRequested, "technician:ana", sessionlog.StepID(fmt.Sprint(i)), sessionlog.Requested{Command: "c"}))
	}
	if len(tr.blocks) > maxLines || len(tr.byStep) > maxLines || tr.running > maxLines {
		t.Errorf("keeps %d blocks, %d steps, %d running", len(tr.blocks), len(tr.byStep), tr.running)
	}
}

// A flaky Backend fails now and then, and its readers break soon.
type flaky struct {
	*world
	fails int
}

func (f *flaky) Look(ctx context.Context, id sessionlog.SessionID) (console.Reader, error) {
	if f.fails > 0 {
		f.fails--
		return nil, errors.New("no route")
	}
	r, err := f.world.Look(ctx, id)
	return &shortReader{Reader: r}, err
}

// A shortReader is a record of which events beyond the third come one by one, and
// its connection breaks after each.
type shortReader struct {
	console.Reader
	used bool
}

func (r *shortReader) Head() sessionlog.Head {
	return sessionlog.Head{Seq: 3}
}

func (r *shortReader) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	if from <= 3 {
		return r.Reader.Read(ctx, from, min(limit, int(4-from)))
	}
	if r.used {
		return nil, errors.New("connection lost")
	}
	r.used = true
	return r.Reader.Read(ctx, from, 1)
}

func TestStreamGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "db01")
		s := w.history(0, 3, "bo")
		st := &stream{backend: &flaky{world: w, fails: 3}, session: s.id, wake: func() {}, transcript: &transcript{}}
		done := make(chan struct{})
		go func() { defer close(done); st.run(t.Context()) }()
		synctest.Wait()
		st.mu.Lock()
		state := st.state
		st.mu.Unlock()
		if !strings.Contains(state, "DISCONNECTED") {
			t.Error("nothing is said of the lost connection")
		}
		<-done
		if !st.transcript.closed || st.transcript.seq != 14 || len(st.transcript.blocks) != 4 {
			t.Errorf("at %d with %d blocks", st.transcript.seq, len(st.transcript.blocks))
		}
	})
}
