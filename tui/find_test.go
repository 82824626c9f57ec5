package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

const ctrlF = "\x06"

// said records a session with one command that printed text.
func (w *world) said(i int, by, command, text string, at time.Time) *memorySession {
	s := w.open(w.eps[i].ID, by)
	step := sessionlog.NewStepID()
	for _, ev := range []sessionlog.Event{
		sessionlog.New(sessionlog.StepRequested, sessionlog.Technician(by), step, sessionlog.Requested{Command: command}),
		sessionlog.New(sessionlog.StepStarted, "agent:a", step, sessionlog.Started{PID: 1}),
		sessionlog.NewOutput("agent:a", step, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte(text)}),
		sessionlog.New(sessionlog.StepEnded, "agent:a", step, sessionlog.Ended{State: sessionlog.OK}),
	} {
		ev.Time = at
		at = at.Add(time.Second)
		s.add(w.t, ev)
	}
	return s
}

func TestFindAndReplay(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w := newWorld(t, "db01", "db02")
			w.said(0, "bo", "older", "first\nreplication to dc-02 failed: 0x8007052E\n", noon)
			w.said(1, "cy", "newer", "dc-02 is back\nlast\n", noon.Add(time.Hour))
			w.said(1, "dee", "repadmin dc-02", "nothing\n", noon.Add(2*time.Hour))
			term := start(t, size[0], size[1], Config{Backend: w, Now: func() time.Time { return noon.Add(3 * time.Hour) }})
			term.see("acme/db01")
			term.keys(ctrlF)
			term.see("CAISEY find", "FIND", "type 2 characters or more")
			term.keys("dc-02")
			s := term.see("3 hits", "acme/db01", "acme/db02", "dee", "command", "repadmin dc-02", "stdout", "replication to dc-02 failed", "dc-02 is back")
			if a, b, c := strings.Index(s, "dee"), strings.Index(s, "cy "), strings.Index(s, "bo "); !(a < b && b < c) {
				t.Errorf("not the newest first:\n%s", s)
			}
			if row := line(s, "> "); !strings.Contains(row, "dee") {
				t.Errorf("the cursor is not on the first: %q", row)
			}
			term.keys("\x1b[B\x1b[B")
			term.until("the cursor on bo", func(s string) bool { return strings.Contains(line(s, " > "), "bo ") })
			term.keys("\r")
			s = term.see("REPLAY", "acme/db01", "dc-02 failed: 0x8007052E", "PAUSE")
			if strings.Contains(s, "exit 0") {
				t.Errorf("the replay is not at the hit:\n%s", s)
			}
			term.keys("q")
			term.see("CAISEY find", "3 hits")
			term.until("the cursor where it was", func(s string) bool { return strings.Contains(line(s, " > "), "bo ") })
			term.keys("\x1b")
			term.see("CAISEY fleet")
			term.keys(ctrlF)
			term.see("CAISEY find", "find: dc-02", "3 hits")
		})
	}
}

func TestFindFilters(t *testing.T) {
	w := newWorld(t, "db01", "db02", "web01")
	w.eps[2].Client = "borealis"
	for i, by := range []string{"bo", "cy", "bo"} {
		w.said(i, by, "x", "disk full client:acme\n", noon.Add(time.Duration(i)*time.Hour))
	}
	term := start(t, 80, 24, Config{Backend: w, Now: func() time.Time { return noon.Add(150 * time.Minute) }})
	term.see("acme/db01")
	for line, want := range map[string][]string{
		"disk":                      {"3 hits"},
		"client:acme disk":          {"2 hits", "[client acme]"},
		"disk by:cy full":           {"1 hit", "[by cy]"},
		"by:cy disk full":           {"1 hit", "[by cy]"},
		"disk since:2h":             {"2 hits", "[since 14:30]"},
		"disk until:15:10":          {"2 hits", "[until 15:10]"},
		`full \client:acme`:         {"3 hits"},
		`"client:acme"`:             {"3 hits"},
		"by: disk":                  {"3 hits"},
		"disk since:yesterday":      {`"yesterday" is neither like 2h or 3d ago nor a time`},
		"client:acme by:bo disk fu": {"1 hit", "[client acme]", "[by bo]"},
	} {
		term.keys(ctrlF + "\x15")
		term.see("type 2 characters or more")
		term.keys(line)
		term.see(want...)
		term.keys("\x1b")
		term.see("CAISEY fleet")
	}
}

func TestParseFind(t *testing.T) {
	now := noon
	for line, want := range map[string]console.TextQuery{
		"":                             {},
		"  a  b ":                      {Text: "a  b"},
		"Client:acme x":                {Text: "x", Client: "acme"},
		"x client:acme":                {Text: "x", Client: "acme"},
		"x  by:ana   y":                {Text: "x     y", By: "ana"},
		`\client:acme x`:               {Text: "client:acme x"},
		`a "client:acme b" c`:          {Text: "a client:acme b c"},
		`"client:acme b`:               {Text: "client:acme b"},
		`say "hello" C:\by:x \n`:       {Text: `say "hello" C:\by:x \n`},
		"x until:1h since:2026-11-20":  {Text: "x", Until: now.Add(-time.Hour), Since: time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local)},
		"client: by: since: until: x":  {Text: "x"},
		"http://client:1 notby:x by:y": {Text: "http://client:1 notby:x", By: "y"},
	} {
		got, err := parseFind(line, now)
		if err != nil || got.TextQuery != want {
			t.Errorf("%q is %+v, %v; want %+v", line, got.TextQuery, err, want)
		}
	}
	if _, err := parseFind("since:soon x", now); err == nil {
		t.Error("since:soon is a time")
	}
}

func FuzzParseFind(f *testing.F) {
	for _, s := range []string{"client:a x", `\client:a`, `"by:x" y`, "\xff since:2h", `"`, `\`, "by:\u2028x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		q, err := parseFind(line, noon)
		if err == nil && len(q.Text) > 3*len(line) { // bad UTF-8 grows
			t.Fatalf("%q grows to %q", line, q.Text)
		}
	})
}

// From wherever the search is opened, Esc leads back, and what was there is there.
func TestFindGivesBack(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01", "db02")
	s, step := command(term, w, "tail")
	s.put(t, step, sessionlog.Stdout, "one line\n")
	term.see("one line")
	term.keys("ihalf typed" + ctrlF)
	term.see("CAISEY find")
	s.put(t, step, sessionlog.Stdout, "meanwhile\n")
	term.keys("\x1b")
	term.see("INSERT", "> half typed", "meanwhile", "pane 1 of 2")
	term.keys("\x1b")
	term.see("NORMAL")
	term.keys("?")
	term.see("CAISEY keys")
	term.keys("j" + ctrlF)
	term.see("CAISEY find")
	term.keys("\x1b")
	term.see("CAISEY keys")
	term.keys("\x1bgf/db02" + ctrlF)
	term.see("CAISEY find")
	term.keys("\x1b")
	term.see("CAISEY fleet", "FILTER", "1 of 2 shown")
	term.keys("\r")
	w.history(0, 3, "bo")
	term.keys("gr")
	term.see("SEALED")
	term.keys("/bo\r")
	term.see("1 of 3 shown")
	term.keys(ctrlF)
	term.see("CAISEY find")
	term.keys("\x1b")
	term.see("CAISEY recordings", "1 of 3 shown")
}

func TestFindFromAReplay(t *testing.T) {
	w := newWorld(t, "db01", "db02")
	w.history(0, 6, "bo")
	w.said(1, "cy", "x", "needle in hay\n", noon)
	clock := &manual{t: noon.Add(time.Hour)}
	term := start(t, 80, 24, Config{Backend: w, Now: clock.now})
	term.see("acme/db01")
	term.keys("s")
	term.see("SEALED")
	term.keys("\r")
	term.see("REPLAY", "PLAY")
	term.keys("5")
	term.see("00:30 of 01:01")
	term.keys(ctrlF)
	term.see("CAISEY find")
	clock.add(20 * time.Second) // stands still beneath
	term.keys("\x1b")
	term.see("PLAY", "00:30 of 01:01")
	term.keys(" " + ctrlF + "needle")
	term.see("1 hit")
	term.keys("\r")
	term.see("REPLAY", "acme/db02", "needle in hay")
	term.keys("q")
	term.see("CAISEY find", "1 hit")
	term.keys("\x1b")
	term.see("REPLAY", "acme/db01", "PAUSE", "00:30 of 01:01")
	term.keys("q")
	term.see("CAISEY recordings")
}

// A record's file has no index, and says so.
func TestFindOffline(t *testing.T) {
	term, _ := openReplay(t, 80, 24, 2)
	term.keys(ctrlF + "cmd")
	term.see("cannot search: a replay has no search index; connect to a relay to search")
	term.keys("\x1b")
	term.see("REPLAY", "event 1 of")
	term.keys("q")
	term.ended()
}

// What stands around a match may be an attack on the terminal, or a lie.
func TestFindHostile(t *testing.T) {
	w := newWorld(t, "db01")
	w.said(0, "bo", "cat", "\x1b]0;owned\x07\x1b[31mneedle\x1b[2J\x1b]52;c;AAAA\x07 \u202egnp\x9b31m "+strings.Repeat("wide ", 60)+"\n", noon)
	w.said(0, "bo", "cat 2", strings.Repeat("left ", 60)+"nee\x1b[1mdle\u200b right\n", noon.Add(time.Minute))
	term := start(t, 80, 24, Config{Backend: w})
	term.see("acme/db01")
	term.keys(ctrlF + "needle")
	s := term.see("2 hits", "needle", "left", "right")
	for row := range strings.Lines(s) {
		if n := len([]rune(strings.TrimRight(row, " \n"))); n > 80 {
			t.Errorf("%d cells: %q", n, row)
		}
	}
	term.mu.Lock()
	raw := term.raw.String()
	term.mu.Unlock()
	for _, bad := range []string{"owned\x07", "]52;", "\u202e", "\u009b", "\x1b[31mneedle"} {
		if strings.Contains(raw, bad) {
			t.Errorf("%q reached the terminal", bad)
		}
	}
}

func TestFindRowBounds(t *testing.T) {
	m := New(Config{Backend: newWorld(t)})
	defer m.Close()
	long := strings.Repeat("x", 300)
	for _, h := range []console.Hit{
		{Line: "abc", Begin: -1, End: 9},
		{Line: "abc", Begin: 3, End: 1},
		{},
		{Line: "日本語日本語日本語日本語 needle 日本語日本語日本語日本語", Begin: 37, End: 43},
		{Line: long, Begin: 0, End: 300},
		{Line: long + "needle" + long, Begin: 300, End: 306},
		{Line: "\x1b[31m", Begin: 2, End: 4},
	} {
		row := newFindRow(h)
		for width := 8; width < 90; width++ {
			text := m.snippet(&row, width)
			if n := m.method.StringWidth(text); n > width {
				t.Fatalf("%+v in %d cells takes %d: %q", h, width, n, text)
			}
			if width > 10 && row.match == "needle" && !strings.Contains(text, m.theme.bar.on("needle")) {
				t.Fatalf("%+v in %d cells has no match: %q", h, width, text)
			}
		}
	}
}

// No row is wider than the screen, however long the names and the filters are.
func TestFindFits(t *testing.T) {
	m := New(Config{Backend: newWorld(t)})
	defer m.Close()
	m.screen = screenFind
	m.find.filter.set("needle client:" + strings.Repeat("long-", 30) + " since:2026-11-01 until:2026-11-20")
	m.findTyped()
	m.findAsk()
	m.findAnswer(findMsg{asked: m.find.asked, found: console.Found{Behind: 3, More: true, Hits: []console.Hit{
		{Client: strings.Repeat("client", 20), Name: "日本語", By: strings.Repeat("b", 99), Kind: "step.of.another.kind", Line: "a needle", Begin: 2, End: 8},
	}}})
	for _, size := range [][2]int{{40, 8}, {47, 9}, {59, 20}, {60, 20}, {80, 24}, {119, 40}, {120, 40}, {200, 60}} {
		m.w, m.h = size[0], size[1]
		rows, _ := m.draw()
		if len(rows) != m.h {
			t.Errorf("%d rows on %d", len(rows), m.h)
		}
		for _, row := range rows {
			if n := ansi.StringWidth(row); n > m.w {
				t.Errorf("%d cells where there are %d: %q", n, m.w, row)
			}
		}
		if all := ansi.Strip(strings.Join(rows, "\n")); !strings.Contains(all, "needle") || !strings.Contains(all, "1 hit") {
			t.Errorf("%dx%d has no hit:\n%s", m.w, m.h, all)
		}
	}
}

func TestFindSays(t *testing.T) {
	w := newWorld(t, "db01")
	for i := range 120 {
		w.said(0, "bo", "x", "common\n", noon.Add(time.Duration(i)*time.Second))
	}
	w.finder.behind = 2
	term := start(t, 80, 24, Config{Backend: w})
	term.see("acme/db01")
	term.keys(ctrlF + "common")
	term.see("100 hits, there may be more, 2 records not read to the end yet")
	term.keys("\x1b[6~\x1b[6~")
	term.until("the cursor on the third page", func(s string) bool { return line(s, " > ") != "" && strings.Contains(s, "common") })
	term.keys("\x15common client:acme by:bo since:2026-11-01")
	term.see("100 hits")
	for _, size := range [][2]int{{20, 5}, {40, 8}, {200, 60}, {80, 24}} {
		term.emu.Resize(size[0], size[1])
		term.prog.Send(sizeMsg(size[0], size[1]))
		if size[0] < minWidth {
			term.see("caisey needs 40x8")
			continue
		}
		term.see("CAISEY find", " > ", "common")
	}
	term.keys("\x15" + "zz top")
	term.see("nothing found")
	w.asked(func(context.Context, console.TextQuery) error { return errors.New("no \x1b[2Jway") })
	term.keys("s")
	term.see("cannot search: no way")
	w.asked(nil)
	term.keys("\r") // asks again
	term.see("nothing found")
	term.keys("\x03x")
	term.see("type 2 characters or more")
}

// A newer question cancels an older one, whose answer is not shown even if it
// comes last.
func TestFindNewerQuestion(t *testing.T) {
	w := newWorld(t, "db01")
	w.said(0, "bo", "x", "alpha\nbravo\n", noon)
	begun, cancelled, late := make(chan string, 9), make(chan string, 9), make(chan struct{})
	w.asked(func(ctx context.Context, q console.TextQuery) error {
		begun <- q.Text
		if q.Text == "alpha" {
			<-ctx.Done()
			cancelled <- q.Text
			<-late
			return errors.New("too late")
		}
		return nil
	})
	term := start(t, 80, 24, Config{Backend: w})
	t.Cleanup(func() { term.model.Close() })
	term.see("acme/db01")
	term.keys(ctrlF + "alpha\r")
	if got := <-begun; got != "alpha" {
		t.Fatalf("asked for %q", got)
	}
	term.see("searching...")
	term.keys("\x15bravo\r")
	if got := <-cancelled; got != "alpha" {
		t.Fatalf("cancelled %q", got)
	}
	term.see("1 hit", "bravo")
	close(late)
	term.keys("\x1b")
	term.see("CAISEY fleet")
	term.keys(ctrlF)
	term.see("1 hit", "bravo") // and nothing of alpha
	term.lose("too late")
}

// Leaving gives the question up; so does the end of the program.
func TestFindLeaves(t *testing.T) {
	w := newWorld(t, "db01")
	begun, ended := make(chan struct{}, 9), make(chan struct{}, 9)
	w.asked(func(ctx context.Context, _ console.TextQuery) error {
		begun <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return context.Cause(ctx)
	})
	term := start(t, 80, 24, Config{Backend: w})
	term.see("acme/db01")
	term.keys(ctrlF + "needle\r")
	<-begun
	term.keys("\x1b")
	<-ended
	term.see("CAISEY fleet")
	term.keys(ctrlF)
	<-begun // what is typed is looked for again
	term.prog.Quit()
	term.ended()
	term.model.Close()
	<-ended
}
