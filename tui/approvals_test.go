package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// inboxOf starts a program over a world in which commands wait, and lets the grace
// pass.
func inboxOf(t *testing.T, w, h int, commands ...string) (*world, *terminal, *manual) {
	t.Helper()
	world, clock := newWorld(t, "db01", "db02"), &manual{t: noon}
	for i, c := range commands {
		world.asks(i%2, "ana", c, func(a *console.Approval) { a.Asked = noon.Add(time.Duration(i) * time.Second) })
	}
	term := start(t, w, h, Config{Backend: world, Now: clock.now})
	term.see("acme/db01")
	if len(commands) > 0 {
		term.see("for you: A")
	}
	clock.add(grace)
	return world, term, clock
}

func TestApproveWhatIsShown(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term, clock := inboxOf(t, size[0], size[1])
			a := w.asks(0, "bo", "systemctl restart db", func(a *console.Approval) { a.Reason, a.Undo = "it hangs", "start it" })
			term.see("1 waits for you: A", "CAISEY fleet")
			term.keys("A")
			s := term.see("CAISEY approvals", "1 waiting", "acme/db01", "bo", "may", "systemctl restart db", "0/1", "shell")
			if !strings.Contains(s, "09:59 ") && !strings.Contains(s, "10:00 ") {
				t.Errorf("not how long is left:\n%s", s)
			}
			term.keys("\r")
			term.see("CAISEY approval ", "WAITING", "systemctl restart db", "it hangs", "start it", "1m0s", "db-needs-a-lead", "you may approve it")
			term.keys("G")
			term.see(a.Digest)
			term.keys("A")
			term.see("the list has just changed") // the clock stands
			clock.add(grace)
			term.keys("A")
			term.see("Enter approves exactly this for bo on acme/db01", "ANSWER")
			term.keys("\r")
			term.see("approved for bo on acme/db01", "nothing waits for an answer")
			if got := w.answers(); len(got) != 1 || got[0] != (console.Approve{Session: a.Session, Step: a.Step, Digest: a.Digest}) {
				t.Errorf("answers %+v", got)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	w, term, _ := inboxOf(t, 80, 24, "one", "two", "three", "four")
	term.see("4 wait for you: A")
	all := slices.Clone(w.waiting.list)
	term.keys("gaA") // the first, at once, but not unseen
	term.see("Enter approves exactly this for ana on acme/db01", "command     one")
	term.keys("\r")
	term.see("too fast")
	term.keys("x")
	term.see("not answered")
	term.keys("A")
	term.see("Enter approves")
	term.keys("\r")
	term.see("too fast") // the clock stands
	if len(w.answers()) != 0 {
		t.Fatal("answered")
	}
	term.keys("\x1b")
	term.see("not answered")
	term.keys("qj\r")
	term.see("command     two")
	term.keys("A")
	term.see("Enter approves exactly this for ana on acme/db02")
	term.keys("\r")
	term.see("approved for ana on acme/db02", "3 waiting")
	term.keys("gg")
	term.see("3 wait for you")
	if got := w.answers(); len(got) != 1 || got[0] != (console.Approve{Session: all[1].Session, Step: all[1].Step, Digest: all[1].Digest}) {
		t.Fatalf("answers %+v", got)
	}
}

func TestDenyAndOverride(t *testing.T) {
	w, term, clock := inboxOf(t, 80, 24, "one", "two", "three")
	a := slices.Clone(w.waiting.list)
	term.keys("A\rD")
	term.see("ANSWER", "why not: ")
	term.keys("\r")
	term.see("that needs a reason")
	term.keys("not at noonAD\x7f\x7f\r")
	term.see("denied to ana on acme/db01", "2 waiting")
	clock.add(grace)
	term.keys("\r")
	term.see("command     two")
	term.keys("O")
	term.see("why it cannot wait: ")
	term.keys("it burns\r")
	term.see("type override in full to run it")
	term.keys("\x1b[200~override\x1b[201~\r") // a word is typed by hand
	term.see("that is not override")
	term.keys("over\r")
	term.see("that is not override")
	term.keys("ride\r")
	term.see("OVERRIDDEN without approval for ana on acme/db02", "1 waiting")
	want := []console.Intent{
		console.Deny{Session: a[0].Session, Step: a[0].Step, Digest: a[0].Digest, Why: "not at noon"},
		console.Override{Session: a[1].Session, Step: a[1].Step, Digest: a[1].Digest, Why: "it burns"},
	}
	if got := w.answers(); !slices.Equal(got, want) {
		t.Errorf("answers %+v, want %+v", got, want)
	}
	clock.add(grace)
	w.mu.Lock()
	w.refuse = console.Errorf(console.CodeRefused, "", "no \x1b[2Jadmin")
	w.mu.Unlock()
	term.keys("\rOx\roverride\r")
	term.see("cannot run it without approval: no admin")
}

// A change asks for the endpoint's name.
func TestApproveAChange(t *testing.T) {
	w := newWorld(t, "db01")
	clock := &manual{t: noon}
	w.asks(0, "ana", "x", func(a *console.Approval) { a.Effect = sessionlog.EffectChange })
	term := start(t, 80, 24, Config{Backend: w, Now: clock.now})
	term.see("1 waits for you")
	clock.add(grace)
	term.keys("A\rA")
	term.see("type db01 in full to approve: ")
	term.keys("db\r")
	term.see("that is not db01")
	term.keys("01\r")
	term.see("approved for ana")
}

func TestWhoMayNot(t *testing.T) {
	w := newWorld(t, "db01")
	clock := &manual{t: noon}
	w.asks(0, "ana", "mine", func(a *console.Approval) { a.Mine, a.May = true, false })
	w.asks(0, "bo", "other", func(a *console.Approval) { a.May = false })
	term := start(t, 80, 24, Config{Backend: w, Now: clock.now})
	term.see("acme/db01")
	term.keys("A")
	s := term.see("2 waiting", "asked", "mine", "other")
	if strings.Contains(s, "for you") {
		t.Errorf("nothing waits for her:\n%s", s)
	}
	clock.add(grace)
	term.keys("A")
	term.see("you asked for it yourself")
	term.keys("D")
	term.see("you asked for it yourself")
	term.keys("qjA")
	term.see("you may not answer it")
	if len(w.answers()) > 0 {
		t.Error("answered")
	}
}

// The cursor stays on its step, and no key answers what has just come under it.
func TestTheListMovesUnderTheCursor(t *testing.T) {
	w, term, clock := inboxOf(t, 120, 24, "one", "two", "three")
	a := slices.Clone(w.waiting.list)
	term.keys("Aj")
	under := func(command string) {
		t.Helper()
		term.until("the cursor on "+command, func(s string) bool { return strings.HasSuffix(strings.TrimRight(line(s, " > "), " "), " "+command) })
	}
	under("two")
	w.withdraw(a[0].Step)
	term.see("2 waiting")
	under("two") // though it is another row
	term.keys("A")
	term.see("the list has just changed")
	w.withdraw(a[1].Step)
	under("three")
	term.keys("A\r\rD\rO")
	term.see("the list has just changed", "command     three")
	clock.add(grace)
	w.asks(0, "bo", "four") // below: nothing moves
	term.keys("q")
	term.see("2 waiting")
	term.keys("A")
	term.see("Enter approves", "three")
	if got := w.answers(); len(got) != 0 {
		t.Errorf("answers %+v", got)
	}
}

// What goes away or changes while it is looked at is not answered.
func TestWhatIsLookedAtGoesAway(t *testing.T) {
	w, term, clock := inboxOf(t, 80, 24, "one", "two")
	a := slices.Clone(w.waiting.list)
	term.keys("A\rA")
	term.see("Enter approves")
	w.withdraw(a[0].Step)
	term.see("WAITS NO LONGER", "it waits no longer: answered by somebody else, cancelled, or out of time")
	term.keys("\rA")
	term.see("it waits no longer")
	term.keys("q")
	term.see("1 waiting")
	clock.add(grace)
	term.keys("\rO")
	term.see("why it cannot wait")
	w.hold(func(list []console.Approval) []console.Approval {
		list[0].Command, list[0].Digest = "evil", "other"
		return list
	})
	s := term.see("CHANGED, look again", "it is not what was shown any more")
	if strings.Contains(s, "evil") || !strings.Contains(s, "command     two") {
		t.Errorf("what is shown has changed:\n%s", s)
	}
	term.keys("A")
	term.see("it is not what was shown any more: go back")
	term.keys("q\r")
	term.see("command     evil")
	if got := w.answers(); len(got) != 0 {
		t.Errorf("answers %+v", got)
	}
}

// Somebody else's approval shows, and changes nothing of what is being answered.
func TestOthersApproveMeanwhile(t *testing.T) {
	w, term, _ := inboxOf(t, 80, 24, "one")
	term.keys("A\rD")
	term.see("why not: ", "needs       1, has 0")
	term.keys("because")
	w.hold(func(list []console.Approval) []console.Approval {
		list[0].Need, list[0].Granted = 2, []string{"cy"}
		return list
	})
	term.see("needs       2, has 1", "approved by cy", "why not: because")
	term.keys("\r")
	term.see("denied to ana")
}

// A long command is read to its end before it is approved.
func TestLongCommand(t *testing.T) {
	long := strings.Repeat("echo harmless; ", 7000) + "\u202erm -rf /\x1b[2J"
	_, term, _ := inboxOf(t, 80, 24, long)
	term.keys("A\r")
	term.see("command     echo harmless", "rows below: ctrl+d, G")
	term.keys("A")
	term.see("read it to its end first")
	term.keys("G")
	s := term.see("digest")
	if strings.Contains(s, "rows below") {
		t.Errorf("not the end:\n%s", s)
	}
	term.keys("kkkkkkkkkk")
	term.see(`e}rm -rf /\u{1b}[2J`)
	term.keys("A")
	term.see("Enter approves")
	for _, size := range [][2]int{{200, 60}, {20, 5}, {40, 8}} {
		term.emu.Resize(size[0], size[1])
		term.prog.Send(sizeMsg(size[0], size[1]))
		if size[0] < minWidth {
			term.see("caisey needs 40x8")
			continue
		}
		term.see("WAITING", "Enter approves")
	}
	if row := term.screen(); !strings.Contains(row, "WAITING") {
		t.Errorf("at 40x8:\n%s", row)
	}
	checkRaw(t, []byte(strings.ReplaceAll(term.rawText(), "\x1b[2J", "")))
}

// Nobody approves what is not shown, on a screen that is too small for it.
func TestNothingIsApprovedUnseen(t *testing.T) {
	w, clock := newWorld(t, "db01"), &manual{t: noon}
	m := New(Config{Backend: w, Now: clock.now})
	t.Cleanup(m.Close)
	m.tookInbox(news{list: []console.Approval{w.asks(0, "bo", "restart")}, known: true})
	clock.add(grace)
	m.showApprovals()
	m.lookAt()
	m.Update(sizeMsg(20, 5))
	m.View()
	if m.begin(sessionlog.ApprovalGranted); m.app.open.asking != nil {
		t.Error("an answer is begun unseen")
	}
	m.Update(sizeMsg(80, 24))
	if m.begin(sessionlog.ApprovalGranted); m.app.open.asking != nil {
		t.Error("an answer is begun before it was drawn")
	}
	m.View()
	if m.begin(sessionlog.ApprovalGranted); m.app.open.asking == nil {
		t.Fatal("no answer is begun")
	}
	m.Update(sizeMsg(20, 5))
	if m.answerEnter() != nil || m.app.open.pending {
		t.Error("approved unseen")
	}
	m.Update(sizeMsg(80, 24))
	if m.answerEnter() == nil || !m.app.open.pending {
		t.Error("not approved though it is seen again")
	}
}

// A request steals nothing from somebody who types; the bell rings once.
func TestRequestWhileTyping(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	term.keys("iecho ")
	term.see("> echo")
	bells := func() int { return strings.Count(ownOSC.ReplaceAllString(term.rawText(), ""), "\a") }
	a := w.asks(0, "bo", "restart", func(a *console.Approval) { a.May = false })
	term.keys("A")
	term.see("> echo A")
	if bells() != 0 {
		t.Error("a bell for what waits for others")
	}
	w.hold(func(list []console.Approval) []console.Approval { list[0].May = true; return list })
	term.see("1 waits for you: Esc A", "INSERT", "> echo A")
	term.keys("D")
	term.see("> echo AD", "INSERT")
	for i := range 3 {
		w.hold(func(list []console.Approval) []console.Approval { list[0].Need = i + 2; return list })
		term.keys("x")
		term.see("> echo AD" + strings.Repeat("x", i+1))
	}
	if n := bells(); n != 1 {
		t.Errorf("%d bells", n)
	}
	term.keys("\x1b?")
	term.see("CAISEY keys", "1 waits for you")
	term.keys("qgr")
	term.see("CAISEY recordings", "1 waits for you: A")
	term.keys(ctrlF)
	term.see("CAISEY find", "1 waits for you")
	term.keys("\x1bgwA")
	term.see("CAISEY approvals")
	term.keys("q")
	term.see("CAISEY workspace")
	w.withdraw(a.Step)
	term.lose("for you")
}

func TestWatchTheAsker(t *testing.T) {
	w := newWorld(t, "db01")
	s := w.open(w.eps[0].ID, "bo")
	s.add(t, noteEvent("look here"))
	w.asks(0, "bo", "x", func(a *console.Approval) { a.Session = s.id })
	term := start(t, 80, 24, Config{Backend: w})
	term.see("for you")
	term.keys("A\rw")
	term.see("WATCHING bo", "note: look here")
}

func TestApprovalsLost(t *testing.T) {
	w := newWorld(t, "db01")
	w.waiting.lost = errors.New("no \x1b[2Jroute")
	term := start(t, 120, 24, Config{Backend: w})
	term.see("acme/db01")
	term.keys("A")
	term.see("APPROVALS LOST, trying again: no route")
	w.waiting.mu.Lock()
	w.waiting.lost = nil
	w.waiting.mu.Unlock()
	w.asks(0, "bo", "x")
	term.see("1 waiting", "acme/db01")
	term.lose("APPROVALS LOST")
}

func TestHostileApproval(t *testing.T) {
	w := newWorld(t, "db01")
	clock := &manual{t: noon}
	w.asks(0, "bo"+hostileName, "cmd"+hostile, func(a *console.Approval) {
		a.Client, a.Name, a.Reason, a.Undo, a.Digest = "c"+hostile, "n"+hostile, "r"+hostile, "u"+hostile, "d"+hostile
		a.Rules, a.Granted, a.Effect, a.Step = []string{hostile}, []string{hostile}, sessionlog.Effect(hostile), sessionlog.StepID("s"+hostile)
	})
	term := start(t, 120, 40, Config{Backend: w, Now: clock.now})
	term.see("for you")
	clock.add(grace)
	term.keys("A\rGA")
	term.see("Enter approves")
	term.keys("x")
	w.mu.Lock()
	w.refuse = console.Errorf(console.CodeFailed, hostile, "error%s", hostile)
	w.mu.Unlock()
	term.keys("A\r")
	term.see("cannot approve: error")
	term.keys("w")
	term.see("pane 1 of 1")
	seen := strings.NewReplacer("HOSTILE", "", "SE9TVElMRQ", "") // in ASCII, as text, they are
	checkRaw(t, []byte(seen.Replace(term.rawText())))
}

func (t *terminal) rawText() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.raw.String()
}
