package tui

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/replay"
)

// A manual clock moves when it is told to.
type manual struct {
	mu sync.Mutex
	t  time.Time
}

func (c *manual) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *manual) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func TestSessionsList(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w := newWorld(t, "db01", "db02")
			w.history(0, 3, "bo")
			w.open(w.eps[1].ID, "cy")
			term := start(t, size[0], size[1], Config{Backend: w})
			term.see("acme/db02")
			term.keys("gr")
			s := term.see("CAISEY recordings", "2 sessions", "SEALED", "LIVE", "cy")
			if strings.Index(s, "cy") > strings.Index(s, "bo") {
				t.Error("the newest is not first")
			}
			term.keys("/bo\r")
			term.see("1 of 2 shown")
			term.lose("cy")
			term.keys("\x1b")
			term.see("cy")
			term.keys("qs") // of the endpoint under the cursor, db01
			term.see("of acme/db01", "1 session ")
			w.history(0, 1, "dee")
			term.keys("R")
			term.see("2 sessions", "dee")
		})
	}
}

func TestWatchLive(t *testing.T) {
	w := newWorld(t, "db01")
	s := w.open(w.eps[0].ID, "bo")
	term := start(t, 80, 24, Config{Backend: w})
	term.see("acme/db01")
	term.keys("gr")
	term.see("LIVE")
	term.keys("\r")
	term.see("WATCHING bo", "CAISEY workspace")
	step := sessionlog.NewStepID()
	s.add(t, sessionlog.New(sessionlog.StepRequested, "technician:bo", step, sessionlog.Requested{Command: "look at this"}))
	term.see("bo > look at this", "WAITING")
	term.keys("i")
	term.see("this pane only watches bo")
	if n := len(w.intents()); n != 0 {
		t.Errorf("watching asked for %d things", n)
	}
}

// openReplay starts a program that replays a session of n commands, paused at
// its first event, by a clock that stands still.
func openReplay(t *testing.T, w, h, n int) (*terminal, *manual) {
	world := newWorld(t, "db01")
	s := world.history(0, n, "bo")
	clock := &manual{t: noon.Add(time.Hour)}
	term := start(t, w, h, Config{Backend: replay.New(s.log), Replay: s.id, Now: clock.now})
	term.see("REPLAY", "READ ONLY", "acme/db01", "PLAY", "event 1 of")
	term.keys(" ")
	term.see("PAUSE")
	return term, clock
}

func TestReplayKeys(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			term, _ := openReplay(t, size[0], size[1], 6) // 26 events, 61 s
			for _, step := range []struct{ key, want string }{
				{"]", "event 2 of 26"},
				{"]", "event 6 of 26"},
				{"[", "event 2 of 26"},
				{".", "event 3 of 26"},
				{",", "event 2 of 26"},
				{"l", "00:12 of 01:01"},
				{"l", "00:17 of 01:01"},
				{"h", "00:12 of 01:01"},
				{"L", "event 26 of 26"},
				{"H", "00:01 of 01:01"},
				{"5", "00:30 of 01:01"},
				{"0", "event 1 of 26"},
				{"9", "00:54 of 01:01"},
				{"gg", "event 1 of 26"},
				{"G", "event 26 of 26"},
				{"+", "  2x"},
				{"+", "  4x"},
				{"-", "  2x"},
				{"-", "  1x"},
				{"-", "0.5x"},
				{"-", "0.25x"},
				{"-", "0.25x"},
				{"s", "skip idle 2s"},
			} {
				term.keys(step.key)
				term.see(step.want)
			}
			term.see("session closed idle", "END")
			term.keys("+++++++++++")
			term.see("64x")
			term.keys("s")
			term.lose("skip idle 2s")
			term.keys("q")
			term.ended()
		})
	}
}

func TestReplayPlays(t *testing.T) {
	term, clock := openReplay(t, 80, 24, 2)
	term.lose("cmd-0")
	term.keys(" ")
	term.see("PLAY  Nov")
	clock.add(7 * time.Second)
	term.see("> cmd-0", "WAITING")
	clock.add(2 * time.Second)
	term.see("out-0", "RUNNING 00:01")
	clock.add(time.Second)
	term.see("exit 0")
	clock.add(time.Minute)
	term.see("END", "> cmd-1", "session closed")
	term.keys(" ") // from the start
	term.see("PLAY  Nov", "event 1 of 10")
	term.lose("cmd-0")
}

func TestReplayScrolls(t *testing.T) {
	term, _ := openReplay(t, 80, 24, 40)
	term.keys("G")
	term.see("out-39")
	term.keys("k")
	term.see("held")
	term.keys("\x15\x15\x15")
	term.lose("out-39")
	term.keys("jf")
	term.see("out-39")
	term.lose("held")
}

// What is typed into a replay is seen, with the cursor behind it.
func TestReplayPrompt(t *testing.T) {
	term, _ := openReplay(t, 80, 24, 6)
	term.keys("/")
	term.see("Enter go", "Esc leave")
	term.keys("oux\bt-4")
	s := term.see("/out-4")
	if at := term.emu.CursorPosition(); at.X != 6 || !strings.HasPrefix(strings.Split(s, "\n")[at.Y], "/out-4") {
		t.Errorf("the cursor is at %v in\n%s", at, s)
	}
	term.keys("\r")
	term.see("out-4", "event 20 of 26", "n/N out-4", "PAUSE")
	term.lose("cmd-5")
	term.keys(":14:00:1")
	term.see(":at 14:00:1")
	term.keys("2\r")
	term.see("Nov 24 14:00:12", "event 5 of 26", "> cmd-0")
	term.keys("/nothing like it\r")
	term.see("not in this record: nothing like it", "event 5 of 26")
	term.keys("?")
	term.see("go to a time of day", "the next error or note")
	term.keys("q@q")
	term.see(":at q")
	term.keys("\x1b")
	term.see("PAUSE")
}

func TestReplayFromTheList(t *testing.T) {
	w := newWorld(t, "db01")
	w.history(0, 2, "bo")
	term := start(t, 80, 24, Config{Backend: w})
	term.see("acme/db01")
	term.keys("s")
	term.see("SEALED")
	term.keys("\r")
	term.see("REPLAY", "PLAY")
	term.keys("q")
	term.see("CAISEY recordings")
	term.keys("q")
	term.see("CAISEY fleet")
}

func noteEvent(text string) sessionlog.Event {
	return sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: text})
}
