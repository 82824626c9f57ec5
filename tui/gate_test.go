package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A step at a gate is WAITING, not running, and what happens there is told.
func TestPaneShowsTheGate(t *testing.T) {
	w := newWorld(t, "db01")
	clock := &manual{t: noon}
	s := w.open(w.eps[0].ID, "ana")
	ask := func(command string) sessionlog.StepID {
		step := sessionlog.NewStepID()
		s.add(t, sessionlog.New(sessionlog.StepRequested, "technician:ana", step, sessionlog.Requested{Command: command, Reason: "it \x1b[2Jhangs", Undo: "start it"}),
			sessionlog.New(sessionlog.ApprovalRequested, sessionlog.Relay, step, sessionlog.Hold{Digest: "d", Need: 1, Rules: []string{"db-needs-a-lead"}, Expires: noon.Add(192 * time.Second)}))
		return step
	}
	answer := func(kind sessionlog.Kind, by string, step sessionlog.StepID, why string) sessionlog.Event {
		return sessionlog.New(kind, sessionlog.Technician(by), step, sessionlog.Answer{Digest: "d", Why: why})
	}
	one := ask("restart")
	term := start(t, 120, 30, Config{Backend: w, Open: []string{"*"}, Now: clock.now})
	screen := term.see("= reason: it hangs", "= undo: start it", "= waits for 1 approval (rule db-needs-a-lead) until 14:03", "1 WAITING")
	if row := line(screen, "1 acme/db01"); !strings.Contains(row, "WAITING 03:12 left") || strings.Contains(screen, "running") {
		t.Errorf("title %q of\n%s", row, screen)
	}
	if row := line(screen, "> restart"); !strings.HasSuffix(row, "WAITING 03:12 left") {
		t.Errorf("header %q", row)
	}
	clock.add(72 * time.Second)
	term.see("WAITING 02:00 left")
	two := ask("reboot")
	term.see("2 WAITING")
	s.add(t, answer(sessionlog.ApprovalDenied, "bo", two, "not at noon"),
		sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, two, sessionlog.Ended{State: sessionlog.Refused, Exit: -1, Why: "denied by bo: not at noon"}))
	term.see("= denied by bo: not at noon", "refused", "1 WAITING")
	s.add(t, answer(sessionlog.ApprovalGranted, "bo", one, ""), sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, one, nil))
	term.see("= approved by bo", "SENT", "1 RUNNING")
	term.lose("WAITING")
	three := ask("third")
	s.add(t, sessionlog.New(sessionlog.ApprovalExpired, sessionlog.Relay, three, nil),
		sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, three, sessionlog.Ended{State: sessionlog.Refused, Exit: -1}))
	four := ask("fourth")
	s.add(t, answer(sessionlog.ApprovalOverridden, "root", four, "the plant burns"), sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, four, nil))
	term.see("= nobody approved it in time", "= OVERRIDDEN by root: the plant burns", "2 RUNNING")
}

func TestPaneSaysReadOnly(t *testing.T) {
	w, term := openPanes(t, 120, 24, "db01")
	w.change(0, func(ep *console.Endpoint) { ep.Effects = []string{"read", "probe"} })
	term.see("acme/db01 ━━ READ-ONLY")
	w.change(0, func(ep *console.Endpoint) { ep.Effects = []string{"read", "shell"} })
	term.lose("READ-ONLY")
}
