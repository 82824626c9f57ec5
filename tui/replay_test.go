package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/tui/replay"
	"github.com/caisey/caisey/tui/vt"
)

// A stage is a Model without a terminal: the test is its program.
type stage struct {
	t testing.TB
	*Model
}

func newStage(t testing.TB, log sessionlog.Reader, cfg Config) (stage, console.Session) {
	t.Helper()
	cfg.Backend = replay.New(log)
	found, err := cfg.Backend.Search(context.Background(), console.Query{})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	m := stage{t, New(cfg)}
	t.Cleanup(m.Close)
	m.Update(sizeMsg(80, 24))
	return m, found[0]
}

// until looks at the screen whenever the Model asks for it, until it holds for ok.
func (m stage) until(what string, ok func(screen string) bool) string {
	m.t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for {
		m.Update(wakeMsg{all: true})
		screen := ansi.Strip(m.View().Content)
		if ok(screen) {
			return screen
		}
		tick := timer(m.tick(), m.tick() > 0)
		select {
		case <-m.pacer.fast:
		case <-m.pacer.slow:
		case <-tick.C:
		case <-deadline.C:
			m.t.Fatalf("no screen with %s; the last is\n%s", what, screen)
		}
		tick.Stop()
	}
}

func (m stage) see(texts ...string) string {
	m.t.Helper()
	return m.until(fmt.Sprintf("%q", texts), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// press presses keys one by one.
func (m stage) press(keys ...string) {
	for _, key := range keys {
		if b := m.keys.find(m.mode(), key); b != nil {
			b.do(m.Model, key)
			continue
		}
		m.play.prompt.edit.insert(key)
	}
}

// hiccups is a session whose second and fourth step go wrong.
func hiccups(t testing.TB) *logtest.Memory {
	log, at := logtest.NewMemory(), noon
	add := func(ev sessionlog.Event) {
		ev.Time, at = at, at.Add(time.Second)
		if _, err := sessionlog.Append(context.Background(), log, ev); err != nil {
			t.Fatal(err)
		}
	}
	add(sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{Session: sessionlog.NewSessionID(), Client: "acme", Name: "db01", Technician: "bo"}))
	for i := range 5 {
		id, end := sessionlog.StepID(fmt.Sprint(i)), sessionlog.Ended{State: sessionlog.OK}
		if i%2 == 1 {
			end = sessionlog.Ended{State: sessionlog.Failed, Exit: 7}
		}
		add(sessionlog.New(sessionlog.StepRequested, "technician:bo", id, sessionlog.Requested{Command: fmt.Sprint("cmd-", i)}))
		add(sessionlog.NewOutput("agent:x", id, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: fmt.Appendf(nil, "alpha %d\nBETA %d\n\x1b[31mbeta\x1b[m again\n", i, i)}))
		add(sessionlog.New(sessionlog.StepEnded, "agent:x", id, end))
	}
	add(sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: "look here"}))
	add(sessionlog.New(sessionlog.SessionClosed, "relay", "", sessionlog.Closed{}))
	return log
}

func TestReplaySeeks(t *testing.T) {
	log := hiccups(t) // 18 events, a second apart
	m, rec := newStage(t, log, Config{Now: (&manual{t: noon}).now})
	m.replay(rec)
	m.see("PLAY", "event 1 of 18")
	m.press("space")
	for _, step := range []struct{ keys, want string }{
		{"}", "event 7 of 18"}, // the end of cmd-1
		{"}", "event 13 of 18"},
		{"}", "event 17 of 18"}, // the note
		{"}", "there is no error or note after this"},
		{"{", "event 13 of 18"},
		{"{ { [", "event 5 of 18"},
		{"[ [", "there is no command before this"},
		{"] ] ]", "event 11 of 18"},
		{"@ 1 4 : 0 0 : 0 9 enter", "Nov 24 14:00:09   event 10 of 18"},
		{": 1 4 : 0 0 enter", "event 1 of 18"},
		{": 1 3 : 5 9 enter", "event 1 of 18"},
		{": 2 3 : 5 9 enter", "event 18 of 18"},
		{": x enter", "cannot go there"},
		{", , .", "event 17 of 18"},
	} {
		m.notice = ""
		m.press(strings.Fields(step.keys)...)
		m.see(step.want)
	}
	m.until("five commands and two errors on the bar", func(screen string) bool {
		bar := line(screen, "00:16 of 00:17")
		return strings.Count(bar, "c") == 5 && strings.Count(bar, "E") == 2
	})
}

func TestReplaySearch(t *testing.T) {
	m, rec := newStage(t, hiccups(t), Config{Now: (&manual{t: noon}).now})
	m.replay(rec)
	m.see("event 1 of 18")
	m.press("/", "b", "eta", "enter")
	pointed := func(text, event string) {
		t.Helper()
		m.until("> at "+text, func(screen string) bool {
			return strings.Contains(screen, "> "+text) && strings.Contains(screen, event)
		})
	}
	pointed("BETA 0", "event 3 of 18")
	m.press("n")
	pointed("beta again", "event 3 of 18")
	m.press("n")
	pointed("BETA 1", "event 6 of 18")
	m.press("N")
	pointed("beta again", "event 3 of 18")
	m.press("N", "N")
	pointed("beta again", "event 15 of 18") // from the end
	m.see("past the start; from the end")
	m.press("/", "LOOK here", "enter")
	m.see("note: look here", "event 17 of 18")
	m.press("/", "cmd-2", "enter")
	m.see("> cmd-2", "event 8 of 18", "past the end")
	m.press("/", "nowhere", "enter")
	m.see("not in this record: nowhere", "event 8 of 18")
	if raw := m.View().Content; strings.Contains(raw, "\x1b[7mnowhere") {
		t.Error("something is lit")
	}
	m.press("/", "alpha", "enter")
	m.see("event 9 of 18")
	if raw := m.View().Content; strings.Count(raw, m.theme.bar.on("alpha")) != 3 {
		t.Errorf("not lit three times: %q", raw)
	}
	m.press("esc")
	if raw := m.View().Content; m.until("no n/N", func(s string) bool { return !strings.Contains(s, "n/N") }) == "" || raw == "" {
		t.Error("no screen")
	}
	m.press("/", "esc", "n")
	m.see("/ looks for text")
}

func TestReplayAt(t *testing.T) {
	m, rec := newStage(t, hiccups(t), Config{})
	m.replayAt(rec, 9, "beta 2")
	m.see("PAUSE", "event 9 of 18", "> cmd-2", "WAITING")
	if row := line(m.see("PAUSE"), "BETA 2"); !strings.HasPrefix(row, ">") {
		t.Errorf("the line is %q", row)
	}
	m.replayAt(rec, 99)
	m.see("END", "event 18 of 18")
	m.press("space") // from the start
	m.see("PLAY", "event 1 of 18")
}

// A session that goes on is replayed, and then followed.
func TestReplayOfALiveSession(t *testing.T) {
	log, step := logtest.NewMemory(), sessionlog.StepID("A")
	add := func(ev sessionlog.Event) {
		if _, err := sessionlog.Append(context.Background(), log, ev); err != nil {
			t.Fatal(err)
		}
	}
	add(sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{Session: sessionlog.NewSessionID(), Client: "acme", Name: "db01", Technician: "bo"}))
	add(sessionlog.New(sessionlog.StepRequested, "technician:bo", step, sessionlog.Requested{Command: "watch it"}))
	m, rec := newStage(t, log, Config{})
	m.replay(rec)
	m.see("LIVE", "event 2 of 2", "> watch it") // it plays to its end
	add(sessionlog.NewOutput("agent:x", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte("first\n")}))
	m.see("LIVE", "event 3 of 3", "first")
	m.press("[")
	m.until("nothing of the future", func(s string) bool {
		return strings.Contains(s, "event 2 of 3") && !strings.Contains(s, "first") && !strings.Contains(s, "LIVE")
	})
	m.press("space")
	add(noteEvent("second"))
	m.see("event 2 of 4")
	m.press("G")
	m.see("LIVE", "event 4 of 4", "first", "note: second")
	add(sessionlog.New(sessionlog.SessionClosed, "relay", "", sessionlog.Closed{Why: "idle"}))
	m.see("END", "event 5 of 5")
}

// long is a session of one command with n lines of output.
func long(t testing.TB, n int) *logtest.Memory {
	log, step, off := logtest.NewMemory(), sessionlog.StepID("A"), int64(0)
	evs := []sessionlog.Event{
		sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{Session: sessionlog.NewSessionID(), Client: "acme", Name: "db01", Technician: "bo"}),
		sessionlog.New(sessionlog.StepRequested, "technician:bo", step, sessionlog.Requested{Command: "seq"}),
	}
	for i := range n {
		data := fmt.Appendf(nil, "line %d\n", i)
		evs = append(evs, sessionlog.NewOutput("agent:x", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: data}))
		off += int64(len(data))
	}
	for i := range evs {
		evs[i].Time = noon.Add(time.Duration(i) * time.Millisecond)
	}
	if _, err := sessionlog.Append(context.Background(), log, evs...); err != nil {
		t.Fatal(err)
	}
	return log
}

// Scrolling back past what was read at once reads more, and what is in sight stays.
func TestReplayScrollsBackIntoTheRecord(t *testing.T) {
	m, rec := newStage(t, long(t, 10_000), Config{})
	m.replayAt(rec, 8000)
	m.see("PAUSE", "line 7997")
	m.play.scrollBy(m.Model, -300)
	before := m.see("held", "line 7690")
	m.play.scrollBy(m.Model, -1<<20)
	m.until("more", func(s string) bool { return m.play.depth == deep && !m.play.clock.Held() })
	m.see("line 7400", "line 7410", "held")
	m.play.scrollBy(m.Model, -1<<20)
	m.see("line 0", "> seq", "held")
	m.play.scrollBy(m.Model, 1<<20)
	m.see("line 7997")
	m.play.scrollBy(m.Model, -300)
	after := m.see("held", "line 7690")
	if rows := func(s string) string { return strings.Join(strings.Split(s, "\n")[:20], "\n") }; rows(after) != rows(before) {
		t.Errorf("the same place shows\n%s\nand\n%s", before, after)
	}
	if m.play.transcript.before > 0 {
		t.Errorf("what is before %d was not read", m.play.transcript.before)
	}
}

// Playing fast reads ahead in pages, within bounds, and misses nothing.
func TestReplayPlaysALongRecord(t *testing.T) {
	const n = 30_000
	clock := &manual{t: noon}
	m, rec := newStage(t, long(t, n), Config{Now: clock.now})
	m.replay(rec)
	m.see("PLAY", "event 1 of")
	m.press("+", "+", "+", "+", "+", "+")
	m.until("the end of it", func(s string) bool {
		clock.add(10 * time.Millisecond)
		m.pacer.wake(true)
		if len(m.play.events) > aheadEvents {
			t.Fatalf("%d events are read ahead", len(m.play.events))
		}
		return m.play.clock.AtEnd()
	})
	m.see(fmt.Sprint("line ", n-1), fmt.Sprintf("event %d of %d", n+2, n+2))
	if tr := m.play.transcript; tr.lines+tr.dropped != n+1 {
		t.Errorf("%d lines kept, %d dropped, of %d", tr.lines, tr.dropped, n+1)
	}
}

// A gated reader holds reads of many events, as searching and reading ahead do,
// while it is shut.
type gated struct {
	sessionlog.Reader
	shut chan struct{} // holds a token while it is shut
}

func (g *gated) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	if limit > 100 {
		select {
		case g.shut <- struct{}{}:
			<-g.shut
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.Reader.Read(ctx, from, limit)
}

// A search that is given up leaves one where one was.
func TestReplaySearchIsGivenUp(t *testing.T) {
	log := &gated{long(t, 20_000), make(chan struct{}, 1)}
	m, rec := newStage(t, log, Config{})
	m.replayAt(rec, 5)
	m.see("PAUSE", "event 5 of")
	log.shut <- struct{}{}
	m.press("/", "nowhere", "enter")
	m.see("SEEK")
	m.press("esc")
	m.see("PAUSE", "event 5 of")
	<-log.shut
	m.press("/", "LINE 19999", "enter")
	m.see("line 19999", "event 20002 of 20002", "n/N line 19999")
}

// Whatever is searched for, a line that is lit is the same line.
func TestLitTextIsTheText(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		some := rapid.StringOfN(rapid.SampledFrom([]rune("aAbBİıKkßẞéÉȺⱥ漢 ")), 0, 12, -1)
		plain, s := vt.Plain(some.Draw(rt, "line")), testSheet(&transcript{}, 80)
		s.text = strings.ToLower(some.Draw(rt, "text"))
		for _, look := range []paint{{}, s.theme.strong} {
			if lit := s.lit(plain, look); !utf8.ValidString(lit) || ansi.Strip(lit) != plain {
				rt.Fatalf("%q with %q lit is %q", plain, s.text, lit)
			}
		}
	})
}
