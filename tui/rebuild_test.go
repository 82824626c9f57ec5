package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/tui/replay"
)

// A story draws a session of any events that a relay may record.
func story(rt *rapid.T, log sessionlog.Appender) int {
	evs := []sessionlog.Event{sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{Client: "acme", Name: "db01"})}
	offs, started, held := map[string]int64{}, map[sessionlog.StepID]bool{}, map[sessionlog.StepID]bool{}
	var open []sessionlog.StepID
	for range rapid.IntRange(0, 120).Draw(rt, "events") {
		kind := rapid.IntRange(0, 10).Draw(rt, "kind")
		if kind > 1 && len(open) == 0 {
			kind = 0
		}
		pick := func() sessionlog.StepID { return rapid.SampledFrom(open).Draw(rt, "step") }
		switch kind {
		case 0:
			id := sessionlog.StepID(fmt.Sprint("step ", len(evs)))
			open = append(open, id)
			evs = append(evs, sessionlog.New(sessionlog.StepRequested, "technician:bo", id, sessionlog.Requested{Command: "run " + string(id), Undo: rapid.SampledFrom([]string{"", "so"}).Draw(rt, "undo")}))
			if held[id] = rapid.IntRange(0, 3).Draw(rt, "gate") == 0; held[id] {
				evs = append(evs, sessionlog.New(sessionlog.ApprovalRequested, "relay", id, sessionlog.Hold{Digest: "d", Need: 1}))
			} else {
				evs = append(evs, sessionlog.New(sessionlog.StepDispatched, "relay", id, nil))
			}
		case 1:
			evs = append(evs, sessionlog.New(sessionlog.NoteAdded, "technician:cy", "", sessionlog.Note{Text: fmt.Sprint("note ", len(evs))}))
		case 2:
			if id := pick(); !started[id] && !held[id] {
				started[id] = true
				evs = append(evs, sessionlog.New(sessionlog.StepStarted, "agent:x", id, sessionlog.Started{PID: 1}))
			}
		case 3:
			id := pick()
			open = slices.DeleteFunc(open, func(o sessionlog.StepID) bool { return o == id })
			evs = append(evs, sessionlog.New(sessionlog.StepEnded, "agent:x", id, sessionlog.Ended{State: sessionlog.Failed, Exit: 3, Why: "because"}))
		default:
			id := pick()
			if held[id] {
				kind := rapid.SampledFrom([]sessionlog.Kind{sessionlog.ApprovalGranted, sessionlog.ApprovalOverridden}).Draw(rt, "answer")
				evs = append(evs, sessionlog.New(kind, "technician:cy", id, sessionlog.Answer{Digest: "d"}))
				if held[id] = kind == sessionlog.ApprovalGranted && rapid.Bool().Draw(rt, "more"); !held[id] {
					evs = append(evs, sessionlog.New(sessionlog.StepDispatched, "relay", id, nil))
				}
				continue
			}
			stream := rapid.SampledFrom([]sessionlog.Stream{sessionlog.Stdout, sessionlog.Stderr}).Draw(rt, "stream")
			text := rapid.SampledFrom([]string{"one\n", "ha", "lf\n", "\x1b[31mred", "a\nb\nc\n", "gone\rback\n", strings.Repeat("long ", 20) + "\n"}).Draw(rt, "text")
			key := string(id) + stream.String()
			evs = append(evs, sessionlog.NewOutput("agent:x", id, sessionlog.Chunk{Stream: stream, Offset: offs[key], Data: []byte(text)}))
			offs[key] += int64(len(text))
		}
	}
	if _, err := sessionlog.Append(context.Background(), log, evs...); err != nil {
		rt.Fatal(err)
	}
	return len(evs)
}

// texts returns the lines of a block, without colours.
func texts(b *block) []string {
	out := []string{}
	for n := b.first(); n < b.end(); n++ {
		out = append(out, ansi.Strip(b.line(n).Text))
	}
	return out
}

// endsAlike reports whether got is the end of want, but for lines that began
// before got did: of these, one for each stream, it may have the end or nothing.
// What the asker says, and what happened at the gate, comes before all output.
func endsAlike(got, want []string) bool {
	for len(got) > 0 && len(want) > 0 && got[0] == want[0] && (got[0] == "undo: so" || strings.HasPrefix(got[0], "waits ") || strings.HasSuffix(got[0], " by cy")) {
		got, want = got[1:], want[1:]
	}
	torn := 2
	for len(got) > 0 {
		g := got[len(got)-1]
		if g == "… earlier output not shown" && len(got) == 1 {
			return true
		}
		if len(want) == 0 {
			return false
		}
		w := want[len(want)-1]
		switch {
		case g == w:
			got = got[:len(got)-1]
		case torn > 0 && strings.HasSuffix(w, g):
			torn--
			got = got[:len(got)-1]
		case torn > 0:
			torn--
		default:
			return false
		}
		want = want[:len(want)-1]
	}
	return true
}

// TestRebuildIsTheEndOfTheFold asserts that what is made of the events around any
// place ends as the fold from the first event does: the same steps and remarks in
// the same order and state, with the same lines.
func TestRebuildIsTheEndOfTheFold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		log, ctx := logtest.NewMemory(), context.Background()
		n := story(rt, log)
		at := sessionlog.Seq(rapid.IntRange(1, n).Draw(rt, "at"))
		tape, err := replay.NewTape(ctx, log)
		if err != nil {
			rt.Fatal(err)
		}
		x := replay.NewIndex(tape)
		d := depth{rapid.IntRange(1, 200).Draw(rt, "depth"), 1 << 20}
		got, err := rebuild(ctx, x, at, d)
		if err != nil {
			rt.Fatal(err)
		}
		want := &transcript{}
		evs, err := log.Read(ctx, 1, int(at))
		if err != nil {
			rt.Fatal(err)
		}
		for _, ev := range evs {
			want.apply(ev)
		}
		if got.seq != want.seq || got.closed != want.closed || got.running != want.running || got.held != want.held || got.opened != want.opened {
			rt.Fatalf("at %d, %d running, %d held; want %d, %d, %d", got.seq, got.running, got.held, want.seq, want.running, want.held)
		}
		all := want.blocks
		for i := len(got.blocks) - 1; i >= 0; i-- {
			g := got.blocks[i]
			for len(all) > 0 && all[len(all)-1].text != g.text {
				w := all[len(all)-1] // a step that ended before the window may stand between
				if w.step == "" && got.before <= 1 || w.step != "" && w.ended == nil {
					rt.Fatalf("%q is missing", w.text)
				}
				all = all[:len(all)-1]
			}
			if len(all) == 0 {
				rt.Fatalf("%q is not in the fold, or elsewhere", g.text)
			}
			w := all[len(all)-1]
			all = all[:len(all)-1]
			if g.who != w.who || !g.at.Equal(w.at) || !g.started.Equal(w.started) || g.held != w.held || g.dispatched != w.dispatched || (g.ended == nil) != (w.ended == nil) || g.step != w.step {
				rt.Fatalf("block %+v, want %+v", g, w)
			}
			if got.before == 0 && strings.Join(texts(g), "\n") != strings.Join(texts(w), "\n") || !endsAlike(texts(g), texts(w)) {
				rt.Fatalf("%q from %d: %q, want %q", g.text, got.before, texts(g), texts(w))
			}
		}
	})
}

// dense returns a record of n short steps beside one that runs all the time, and
// speaks every hundredth event.
func dense(t testing.TB, n int) *logtest.Memory {
	log := logtest.NewMemory()
	evs := []sessionlog.Event{
		sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{Client: "acme", Name: "db01"}),
		sessionlog.New(sessionlog.StepRequested, "technician:bo", "tail", sessionlog.Requested{Command: "tail -f"}),
		sessionlog.New(sessionlog.StepStarted, "agent:x", "tail", sessionlog.Started{PID: 1}),
	}
	off := int64(0)
	for i := range n {
		id := sessionlog.StepID(fmt.Sprint(i))
		evs = append(evs, sessionlog.New(sessionlog.StepRequested, "technician:bo", id, sessionlog.Requested{Command: fmt.Sprint("cmd ", i)}),
			sessionlog.New(sessionlog.StepEnded, "agent:x", id, sessionlog.Ended{State: sessionlog.OK}))
		if i%50 == 0 {
			text := fmt.Sprintf("tail %d\n", i)
			evs = append(evs, sessionlog.NewOutput("agent:x", "tail", sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: []byte(text)}))
			off += int64(len(text))
		}
	}
	for i := range evs {
		evs[i].Time = noon.Add(time.Duration(i) * time.Second)
	}
	if _, err := sessionlog.Append(context.Background(), log, evs...); err != nil {
		t.Fatal(err)
	}
	return log
}

// A countingReader counts what is read.
type countingReader struct {
	sessionlog.Reader
	n int
}

func (c *countingReader) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	evs, err := c.Reader.Read(ctx, from, limit)
	c.n += len(evs)
	return evs, err
}

func (c *countingReader) Outline(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	evs, err := c.Reader.Outline(ctx, from, limit)
	c.n += len(evs)
	return evs, err
}

// TestRebuildReadsTheWindow asserts that a rebuild reads as much of a long record
// as of a longer one, that it says so where it does not find a step's command, and
// finds it once the index has come that far.
func TestRebuildReadsTheWindow(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{20_000, 40_000} {
		log := &countingReader{Reader: dense(t, n)}
		tape, err := replay.NewTape(ctx, log)
		if err != nil {
			t.Fatal(err)
		}
		x := replay.NewIndex(tape)
		at := log.Head().Seq - 1
		log.n = 0
		tr, err := rebuild(ctx, x, at, shallow)
		if err != nil {
			t.Fatal(err)
		}
		if log.n > 3*shallow.events+3*lookedBack {
			t.Errorf("read %d events of %d", log.n, at)
		}
		b := tr.byStep["tail"]
		if b == nil || b.n != tr.blocks[0].n || b.text != "(a command from before what is shown here)" && b.text != "tail -f" {
			t.Fatalf("block %+v", b)
		}
		for more := true; more; {
			if more, err = x.Fill(ctx, 1000); err != nil {
				t.Fatal(err)
			}
		}
		if tr, err = rebuild(ctx, x, at, shallow); err != nil {
			t.Fatal(err)
		}
		b = tr.byStep["tail"]
		if b.text != "tail -f" || b.started.IsZero() || tr.running != 1+int(at-log.Head().Seq+1) && tr.running < 1 {
			t.Errorf("block %+v of %d running", b, tr.running)
		}
		if first := texts(b)[0]; first != "… earlier output not shown" {
			t.Errorf("the first line is %q", first)
		}
	}
}

// A step that was silent in the window and has not ended is there, in its state.
func TestRebuildKeepsSilentSteps(t *testing.T) {
	ctx, log := context.Background(), logtest.NewMemory()
	evs := []sessionlog.Event{
		sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{Client: "acme", Name: "db01"}),
		sessionlog.New(sessionlog.StepRequested, "technician:bo", "quiet", sessionlog.Requested{Command: "sleep 1d"}),
		sessionlog.New(sessionlog.StepStarted, "agent:x", "quiet", sessionlog.Started{PID: 1}),
		sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: "before"}),
		sessionlog.New(sessionlog.StepCancel, "technician:bo", "quiet", nil),
	}
	for range 500 {
		evs = append(evs, sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: "x"}))
	}
	if _, err := sessionlog.Append(ctx, log, evs...); err != nil {
		t.Fatal(err)
	}
	tape, err := replay.NewTape(ctx, log)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := rebuild(ctx, replay.NewIndex(tape), 500, depth{10, 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	b := tr.newest("technician:bo")
	if b == nil || b.text != "sleep 1d" || b.started.IsZero() || !b.cancel || tr.running != 1 || len(tr.commands("technician:bo")) != 1 {
		t.Errorf("block %+v of %d running", b, tr.running)
	}
}
