package tui

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

func sizeMsg(w, h int) tea.Msg { return tea.WindowSizeMsg{Width: w, Height: h} }

// hostile is what output may hold, hostileName what a record can hold as a name.
var hostileName = strings.ToValidUTF8(hostile, "")

// hostile is text that must never reach a terminal as it is. The marker tells
// it from what the program itself writes.
var hostile = strings.Join([]string{
	"\x1b]0;HOSTILE\x07", "\x1b]52;c;SE9TVElMRQ==\x07", "\x1bP$qHOSTILE\x1b\\", "\x1b_GHOSTILE\x1b\\", "\x1b^HOSTILE\x1b\\", "\x1bXHOSTILE\x1b\\",
	"\x1b]8;;http://HOSTILE\x1b\\link\x1b]8;;\x1b\\", "\u009b6n", "\x9b6n", "\x1b[?1003h", "\x1b[2J", "\x1bc", "\x07", "\b", "\u202eevil", "\U000e0041", "\x0e", "\x1b[21t",
}, "seen ")

func TestHostileTextIsTamed(t *testing.T) {
	w := newWorld(t, "db01", "db02")
	w.eps[0].Host, w.eps[0].OS, w.eps[0].On = "h"+hostileName, "o"+hostileName, []string{"b" + hostile}
	w.eps[0].Labels = map[string]string{"l" + hostile: hostileName}
	w.eps[1].Client, w.eps[1].Name = "acme", "n"+hostileName
	w.refuse = nil
	term := start(t, 200, 40, Config{Backend: w})
	term.see("2 endpoints")
	s := w.open(w.eps[0].ID, "bo"+hostileName)
	step := sessionlog.NewStepID()
	s.add(t, sessionlog.New(sessionlog.StepRequested, "technician:ana"+sessionlog.Actor(hostileName), step, sessionlog.Requested{Command: "cmd" + hostile}),
		sessionlog.New(sessionlog.StepStarted, "agent:x", step, sessionlog.Started{}))
	s.put(t, step, sessionlog.Stdout, "out"+hostile+"\ndone\n")
	s.put(t, step, sessionlog.Stderr, "err"+hostile)
	s.add(t, sessionlog.New(sessionlog.NoteAdded, "technician:bo", "", sessionlog.Note{Text: "note" + hostile}))
	s.end(t, step, sessionlog.Ended{State: sessionlog.Outcome("bad" + hostile), Why: "why" + hostile})
	term.keys("gr")
	term.see("LIVE")
	term.keys("\r")
	term.see("WATCHING", "done", "note", "why")
	term.keys("i")
	term.see("this pane only watches")
	term.keys("gr")
	term.see("CAISEY recordings")
	term.keys("p")
	term.see("REPLAY")
	term.keys("G")
	term.see("LIVE", "done")
	term.keys("/evil\r")
	term.see("n/N evil", "PAUSE")
	term.keys("nnN")
	w.mu.Lock()
	w.refuse = console.Errorf(console.CodeFailed, hostile, "error%s", hostile)
	w.mu.Unlock()
	term.keys("gf\r")
	term.see("cannot open the session: error")
	term.keys("q")
	term.see("CAISEY fleet")
	term.keys("qq")
	term.ended()
	checkRaw(t, term.raw.Bytes())
}

// ownOSC are the sequences with a BEL that Bubble Tea itself writes.
var ownOSC = regexp.MustCompile(`\x1b\](2;(caisey( ![0-9]+)?)?|1[0-2];\?)\x07`)

// checkRaw asserts that what went to the terminal holds none of hostile.
func checkRaw(t *testing.T, raw []byte) {
	t.Helper()
	s := ownOSC.ReplaceAllString(string(raw), "")
	if !utf8.ValidString(s) {
		t.Error("the output is not UTF-8")
	}
	for _, bad := range []string{
		"HOSTILE\x07", "SE9TVElMRQ", "\x1bP$qH", "\x1b_G", "\x1b^", "\x1bX", "\x1b]52", "\x1b]8;", "\u009b", "\x1b[?1003h", "\x1bc", "\x07",
		"\u202e", "\U000e0041", "\x0e", "\x1b[21t", "HOSTILE",
	} {
		if i := strings.Index(s, bad); i >= 0 {
			t.Errorf("%q reached the terminal: %q", bad, s[max(0, i-40):min(len(s), i+40)])
		}
	}
}
