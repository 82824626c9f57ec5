package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// openPanes starts a program with a pane for each of names.
func openPanes(t *testing.T, w, h int, names ...string) (*world, *terminal) {
	world := newWorld(t, names...)
	term := start(t, w, h, Config{Backend: world, Open: []string{"acme/*"}})
	term.see(fmt.Sprintf("pane 1 of %d", len(names)), "1 acme/"+names[0])
	term.until("open sessions", func(s string) bool { return !strings.Contains(s, "opening") })
	return world, term
}

// command types a command into the focused pane and waits until it runs.
func command(term *terminal, w *world, text string) (*memorySession, sessionlog.StepID) {
	term.t.Helper()
	term.keys("i")
	term.see("INSERT")
	term.keys(text + "\r")
	term.see("> "+text, "RUNNING 00:0")
	term.keys("\x1b")
	term.see("NORMAL")
	return w.lastRun()
}

func TestRunACommand(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term := openPanes(t, size[0], size[1], "db01", "db02")
			s, step := command(term, w, "uptime")
			s.put(t, step, sessionlog.Stdout, "up 12 days\n")
			s.put(t, step, sessionlog.Stderr, "warning: load\n")
			s.put(t, step, sessionlog.Stdout, "half a li")
			term.see("  up 12 days", "! warning: load", "  half a li")
			s.put(t, step, sessionlog.Stdout, "ne\n")
			s.end(t, step, sessionlog.Ended{State: sessionlog.Failed, Exit: 3, Duration: 1.94, Why: "disk on fire"})
			screen := term.see("exit 3", "1.9 s", "  half a line", "= failed: disk on fire")
			row := line(screen, "> uptime")
			if !strings.Contains(row, "ana > uptime") || !strings.Contains(row, "exit 3   1.9 s") {
				t.Errorf("header %q", row)
			}
		})
	}
}

func TestInsert(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	term.keys("\r") // Enter types too
	term.see("INSERT", "Enter run", "Esc normal")
	term.keys("echo one")
	term.see("> echo one")
	term.keys("\x1b")
	term.see("NORMAL", "> echo one") // the text stays
	term.keys("i\r")
	term.see("ana > echo one")
	s, step := w.lastRun()
	s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
	term.see("exit 0")
	term.keys("echo twp\x7fo\r")
	term.see("ana > echo two", "RUNNING")
	term.keys("draft\x1b[A")
	term.see("\n> echo two")
	term.keys("\x1b[A")
	term.see("\n> echo one")
	term.keys("\x1b[B\x1b[B")
	term.see("\n> draft")
	term.keys("\x03") // the newest running one
	term.see("cancelled", "cancelling: echo two")
	term.keys("\x03")
	term.lose("> draft")
	term.keys("\x03")
	term.see("nothing of yours runs here")
	var got []string
	for _, in := range w.intents() {
		got = append(got, strings.TrimPrefix(fmt.Sprintf("%T", in), "console."))
	}
	if want := "Open Run Run Cancel"; strings.Join(got, " ") != want {
		t.Errorf("asked for %v, want %s", got, want)
	}
}

func TestFastEsc(t *testing.T) {
	_, term := openPanes(t, 120, 24, "db01", "db02")
	term.keys("ione\x1b2itwo\x1bKithree")
	term.see("INSERT", "> onethree", "> two")
}

func TestRunFails(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	w.mu.Lock()
	w.refuse = errors.New("no \x1b[2Jway")
	w.mu.Unlock()
	term.keys("irm it\r")
	term.see("cannot run the command: no way", "> rm it")
}

func TestPaste(t *testing.T) {
	_, term := openPanes(t, 80, 24, "db01")
	term.keys("i")
	term.see("INSERT")
	paste := func(s string) { term.keys("\x1b[200~" + s + "\x1b[201~") }
	paste("echo ok\n")
	term.see("> echo ok")
	paste("; rm\n-rf")
	term.see("more than one line: y pastes it")
	term.keys("n")
	term.see("INSERT", "> echo ok")
	paste("a\nb")
	term.see("more than one line")
	term.keys("y")
	term.see("> echo oka␊b")
	paste("c\rd\r\ne") // terminals send CR for LF
	term.see("more than one line")
	term.keys("y")
	term.see("> echo oka␊bc␊d␊e")
}

func TestFocusAndLayout(t *testing.T) {
	w, term := openPanes(t, 120, 40, "a1", "a2", "a3", "a4")
	focus := func(name string) string {
		t.Helper()
		return term.until("focus on "+name, func(s string) bool {
			i := strings.Index(s, name)
			return i >= 0 && strings.Contains(s[i:min(len(s), i+60)], "FOCUS")
		})
	}
	s := focus("1 acme/a1")
	if row := line(s, "1 acme/a1"); !strings.Contains(row, "2 acme/a2") {
		t.Errorf("no grid: %q", row)
	}
	for _, step := range []struct{ key, name string }{
		{"\t", "2 acme/a2"},
		{"4", "4 acme/a4"},
		{"h", "3 acme/a3"},
		{"K", "1 acme/a1"},
		{"l", "2 acme/a2"},
		{"J", "4 acme/a4"},
		{"\x1b[Z", "3 acme/a3"},
		{"1", "1 acme/a1"},
		{"9", "1 acme/a1"},
	} {
		term.keys(step.key)
		focus(step.name)
	}
	term.keys("z")
	term.see("ZOOM")
	term.lose("2 acme/a2")
	term.keys("z")
	term.see("2 acme/a2")
	term.keys("L")
	term.see("layout grid")
	term.keys("L")
	s = term.see("layout stack")
	if row := line(s, "1 acme/a1"); strings.Contains(row, "2 acme/a2") {
		t.Errorf("no stack: %q", row)
	}
	term.keys("2x")
	term.see("acme/a2 is closed here", "pane 2 of 3", "2 acme/a3")
	term.keys("xxx")
	term.see("CAISEY fleet")
	term.keys("gw")
	term.see("no panes are open")
	if n := len(w.intents()); n != 4 {
		t.Errorf("%d intents: closing a pane must ask for nothing", n)
	}
}

func TestScroll(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	s, step := command(term, w, "seq")
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "line-%03d\n", i)
	}
	s.put(t, step, sessionlog.Stdout, text.String())
	term.see("line-199")
	term.lose("line-150")
	term.keys("k")
	term.see("held", "line-198")
	term.lose("line-199")
	s.put(t, step, sessionlog.Stdout, "newest\n")
	term.keys("\x15")
	term.see("line-170")
	term.lose("newest")
	term.keys("\x1b[5~\x1b[5~")
	term.see("line-150")
	term.keys("j")
	term.keys("f")
	term.see("newest")
	term.lose("held")
	term.keys("gg")
	term.see("ana > seq", "line-000")
	term.keys("G")
	term.see("newest")
	term.keys("[")
	term.see("ana > seq", "line-000", "held")
	s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
	term.see("exit 0")
	_, step = command(term, w, "second") // sending follows again
	s.put(t, step, sessionlog.Stdout, "second-out\n")
	term.see("second-out")
	term.keys("[")
	term.see("line-000", "held")
	term.keys("]")
	term.see("> second", "second-out")
}

func TestResize(t *testing.T) {
	w, term := openPanes(t, 120, 40, "a1", "a2")
	s, step := command(term, w, "cat")
	s.put(t, step, sessionlog.Stdout, strings.Repeat("wide ", 40)+"end\n")
	term.see("end")
	for _, size := range [][2]int{{60, 20}, {30, 5}, {200, 60}, {40, 8}, {80, 24}} {
		term.emu.Resize(size[0], size[1])
		term.prog.Send(sizeMsg(size[0], size[1]))
		if size[0] < minWidth {
			term.see("caisey needs 40x8")
			continue
		}
		term.see("CAISEY workspace", "1 acme/a1", "end", "RUNNING")
	}
}

func TestReopen(t *testing.T) {
	w := newWorld(t, "db01")
	s := w.open(w.eps[0].ID, "ana")
	step := sessionlog.NewStepID()
	s.add(t, sessionlog.New(sessionlog.StepRequested, "technician:ana", step, sessionlog.Requested{Command: "make"}),
		sessionlog.New(sessionlog.StepStarted, "agent:x", step, sessionlog.Started{}))
	s.put(t, step, sessionlog.Stdout, "before the line dropped\n")
	term := start(t, 80, 24, Config{Backend: w, Open: []string{"db01"}})
	term.see("ana > make", "before the line dropped", "RUNNING")
	term.keys("q")
	term.see("CAISEY fleet")
	term.keys("\r") // a second pane on the same session
	screen := term.see("pane 2 of 2")
	if strings.Count(screen, "acme/db01") != 2 {
		t.Errorf("not two panes:\n%s", screen)
	}
	s.put(t, step, sessionlog.Stdout, "and after\n")
	term.until("both panes", func(s string) bool { return strings.Count(s, "and after") == 2 })
	if n := len(w.sessions); n != 1 {
		t.Errorf("%d sessions, want the one", n)
	}
}

func TestNote(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	s := w.open(w.eps[0].ID, "ana")
	s.add(t, sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: "look here"}))
	term.see("bo note: look here")
	s.add(t, sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{Why: "idle"}))
	term.see("session closed idle", "CLOSED 0 reads, 0 probes, 0 shell, 0 changes")
}

func TestDroppedLinesAreCounted(t *testing.T) {
	w, term := openPanes(t, 120, 24, "db01")
	s, step := command(term, w, "flood")
	for range 30 {
		s.put(t, step, sessionlog.Stdout, strings.Repeat("x\n", 1000))
	}
	term.see("10001 lines above are only in the record")
}

var _ console.Backend = (*world)(nil)
