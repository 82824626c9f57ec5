package tui

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// shoot keeps a screen for people, where SCREENS is set.
func shoot(name, screen string) {
	if os.Getenv("SCREENS") != "" {
		fmt.Println("--- " + name)
		fmt.Println(screen)
	}
}

func TestPicker(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term := openChecks(t, size[0], size[1])
			term.keys("c")
			s := term.see("CAISEY checks   acme/db01", "role db", "27 of 27 shown", "mssql.block", "CHECK ")
			shoot("picker", s)
			if at, other := strings.Index(s, "mssql.block"), strings.Index(s, "disk.space"); at > other {
				t.Errorf("what is for the role is not first:\n%s", s)
			}
			if row := line(s, "mssql.block"); !strings.Contains(row, ">*") || !strings.Contains(row, "READ") || !strings.Contains(row, "samples 5 s") {
				t.Errorf("row %q", row)
			}
			if row := line(s, "log.watch"); !strings.Contains(row, "live") {
				t.Errorf("row %q", row)
			}
			for _, row := range strings.Split(s, "\n") {
				if len([]rune(row)) > size[0] {
					t.Errorf("row is wider than the screen: %q", row)
				}
			}
			term.keys("restart")
			s = term.see("1 of 27 shown", "restart a service", "name (needed)")
			if row := line(s, "svc.restart"); !strings.Contains(row, "CHANGE") {
				t.Errorf("row %q", row)
			}
			term.keys("\x15ntprb") // its letters in order
			s = term.see("net.probe")
			if row := line(s, "net.probe"); !strings.Contains(row, "PROBE") {
				t.Errorf("row %q", row)
			}
			term.keys("\x15" + "qqqq")
			term.see("no check matches")
			term.keys("\r")
			term.keys("\x15")
			term.see("27 of 27")
			term.keys("\x1b[B\x1b[B\x1b[A\x1b[6~\x1b[5~")
			term.keys("\x1b")
			term.see("CAISEY workspace")
			if n := len(w.intents()); n != 1 { // the session
				t.Errorf("%d intents: nothing was to be asked", n)
			}
		})
	}
}

func TestPickerAsks(t *testing.T) {
	w, term := openChecks(t, 80, 24)
	term.keys("c")
	term.see("mssql.block")
	term.keys("\r")
	term.see("> mssql.block", "RUNNING", "no answer yet")
	s, ask := w.lastAsk()
	if ask.Check != "mssql.block" || len(ask.Args) != 0 || ask.Step == "" || ask.Targets != 1 || ask.Session != s.id {
		t.Errorf("asked %+v", ask)
	}
	w.mu.Lock()
	w.refuse = errors.New("no \x1b[2Jway")
	w.mu.Unlock()
	term.keys("c")
	term.see("CAISEY checks")
	term.keys("\r")
	term.see("CAISEY checks", "cannot ask the check: no way")
	term.keys("\x1b")
	term.see("CAISEY workspace")
	term.keys("ix\x1b[A") // a check is no command
	term.see("INSERT", "> x")
	term.lose("> mssql.block\n> mssql.block")
}

func TestPickerSaysWhyNot(t *testing.T) {
	w, term := openPanes(t, 80, 24, "db01")
	term.keys("c")
	term.see("this endpoint has no checks")
	term.keys("\x1b")
	term.see("CAISEY workspace")
	s := w.history(0, 1, "bo")
	_ = s
	term.keys("gr")
	term.see("CAISEY recordings")
}

func TestForm(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term := openChecks(t, size[0], size[1])
			term.keys("c")
			term.see("disk.space")
			term.keys("disk\t")
			s := term.see("CAISEY disk.space   acme/db01", "15 (default)", "5 (default)", "kind", "free space under", "asks: disk.space", " SET")
			shoot("form", s)
			term.keys("120")
			term.see("from 1 to 100", "asks: disk.space warn=120")
			term.keys("\r")
			term.see("warn: from 1 to 100")
			term.keys("\x7f\x7f")
			term.see("asks: disk.space warn=1")
			term.lose("from 1 to 100")
			term.keys("\x1b[B\x1b[B\t")
			term.see("kind=local", "Tab: local  remote")
			term.keys("\t")
			term.see("kind=remote")
			term.keys("\x1b[Z")
			term.see("kind=local")
			term.keys("\x1b[By\t")
			term.see("all=yes")
			term.keys("\x1b[A\x1b[A")
			term.see("; it decides")
			term.keys("\t")
			term.see("nothing completes crit")
			term.keys("\r")
			term.see("> disk.space all=yes kind=local", "warn=1", "RUNNING")
			_, ask := w.lastAsk()
			if got := (check.Ask{Name: ask.Check, Args: ask.Args}).Line(); got != "disk.space all=yes kind=local warn=1" {
				t.Errorf("asked %s", got)
			}
		})
	}
}

func TestFormNeedsWhatIsNeeded(t *testing.T) {
	w, term := openChecks(t, 60, 20)
	term.keys("c")
	term.see("disk.space")
	term.keys("net.probe\r")
	term.see("CAISEY net.probe", "(needed)")
	term.keys("\r")
	term.see("host: it is needed")
	term.keys("\x1b[200~db02\n.lan\x1b[201~")
	term.see("! the name") // a host has no space
	term.keys("\x15db02\r")
	term.see("> net.probe host=db02")
	if _, ask := w.lastAsk(); ask.Args["host"] != "db02" {
		t.Errorf("asked %+v", ask)
	}
}

func TestChangeAsksForAYes(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term := openChecks(t, size[0], size[1])
			s := w.open(w.eps[0].ID, "ana")
			s.asked(t, "S1", sessionlog.EffectRead, "svc.status")
			s.tells(t, "S1", check.Line{Table: &w.checks[5].Tables[0]}, row("cron"), row("erp-app"), row("erp\x1b[2Jbad"), row("erp-db"), row("cron"), check.Line{End: &check.End{Verdict: check.Fine}})
			s.end(t, "S1", sessionlog.Ended{State: sessionlog.OK})
			term.see("nothing found", "erp-db")
			term.keys("c")
			term.see("disk.space")
			term.keys("svc.restart\r")
			term.see("CAISEY svc.restart", "CHANGE", "reason")
			term.keys("er\t")
			term.see("name=erp-app", "Tab: erp-app  erp-db")
			term.keys("\t")
			term.see("name=erp-db")
			term.keys("\t")
			term.see("name=erp-app")
			term.keys("\x1b[Bit hangs\r")
			shoot("sure", term.see("CAISEY change", "svc.restart name=erp-app", "it changes the endpoint", "start it again", "it hangs", "type yes", "SURE?"))
			term.keys("\r")
			term.see("that is not yes")
			term.keys("\x1b")
			term.see("CAISEY svc.restart", "not asked")
			term.keys("\r")
			term.see("type yes")
			term.keys("\x1b[200~yes\x1b[201~")
			term.keys("no\r")
			term.see("that is not yes", "ask for it: no")
			if n := len(w.intents()); n != 1 {
				t.Fatalf("%d intents before the yes", n)
			}
			term.keys("\x15yes\r")
			term.see("> svc.restart name=erp-app", "RUNNING")
			_, ask := w.lastAsk()
			if ask.Check != "svc.restart" || ask.Args["name"] != "erp-app" || ask.Reason != "it hangs" || len(ask.Args) != 1 {
				t.Errorf("asked %+v", ask)
			}
		})
	}
}

func TestNothingToCompleteFrom(t *testing.T) {
	_, term := openChecks(t, 80, 24)
	term.keys("c")
	term.see("disk.space")
	term.keys("svc.restart\r\t")
	term.see("completed from name of an answer of svc.status, and there is none here")
	term.keys("\x1b\x1b")
	term.see("CAISEY workspace")
}

func TestAnswerInTranscript(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w, term := openChecks(t, size[0], size[1])
			term.keys("c")
			term.see("disk.space")
			term.keys("disk\r")
			term.see("RUNNING", "no answer yet")
			s, ask := w.lastAsk()
			lines := volumes(w.checks[0], 30)
			s.put(t, ask.Step, sessionlog.Stdout, strings.Repeat("evidence of disks\n", 100))
			s.tells(t, ask.Step, lines[:4]...)
			term.see("/data/002", "9 %", "3 rows so far", "raw evidence 1,800 bytes, R shows it")
			term.lose("evidence of disks")
			s.tells(t, ask.Step, lines[4:]...)
			s.end(t, ask.Step, sessionlog.Ended{State: sessionlog.OK, Duration: 1.5})
			screen := term.see("3 findings 1.5 s", "CRIT /data/003 has 3 % free, under 5 %", "WARN /data/002", "INFO two volumes")
			shoot("answer", screen)
			crit, warn := strings.Index(screen, "CRIT"), strings.Index(screen, "WARN")
			if crit > warn || warn > strings.Index(screen, "VOLUME ") {
				t.Errorf("not the worst first, then the table:\n%s", screen)
			}
			head, first := line(screen, "VOLUME "), line(screen, "/data/009")
			if size[1] < 24 {
				first = line(screen, "/data/003  ")
			}
			if at := strings.Index(head, "FREE"); at < 0 || at+4 != strings.Index(first, "%")+1 {
				t.Errorf("numbers are not at the right edge:\n%q\n%q", head, first)
			}
			if size[1] < 40 {
				term.see("rows below")
			}
			term.keys("jjjjjjjj")
			term.see("20 more rows, enter opens the table")
			term.keys("G")
			term.see("CRIT")
			term.keys("G") // then its end
			term.see("raw evidence 1,800", "345678")
			term.keys("R")
			term.see("evidence of disks", "R hides it")
			term.keys("R")
			term.see("R shows it")
			term.lose("evidence of disks")
		})
	}
}

func TestVerdicts(t *testing.T) {
	w, term := openChecks(t, 80, 24)
	s := w.open(w.eps[0].ID, "ana")
	for i, c := range []struct {
		lines []check.Line
		state sessionlog.Outcome
		want  []string
	}{
		{[]check.Line{{End: &check.End{Verdict: check.Fine}}}, sessionlog.OK, []string{"nothing found"}},
		{[]check.Line{{End: &check.End{Verdict: check.CannotTell, Why: "it needs root"}}}, sessionlog.OK, []string{"cannot tell: it needs root", "cannot tell"}},
		{nil, sessionlog.Failed, []string{"no verdict: it ended before it gave one", "failed: because"}},
		{[]check.Line{
			{Finding: &check.Finding{Severity: check.Warn, Text: "half of it"}},
			{End: &check.End{Verdict: check.CannotTell, Why: "no right", LeftOut: 7}},
		}, sessionlog.OK, []string{"1 finding; cannot tell all: no right", "7 rows over the check's limit"}},
	} {
		step := sessionlog.StepID(fmt.Sprint("S", i))
		s.asked(t, step, sessionlog.EffectRead, fmt.Sprint("zzz.n", i))
		if c.lines != nil {
			s.tells(t, step, c.lines...)
		}
		end := sessionlog.Ended{State: c.state}
		if c.state != sessionlog.OK {
			end.Exit, end.Why = -1, "because"
		}
		s.end(t, step, end)
		term.see(append(c.want, fmt.Sprint("> zzz.n", i))...)
	}
}
