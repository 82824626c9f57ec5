package tui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// A keyStep presses the key of a binding, after others, and says what is seen then.
type keyStep struct {
	show   string // of the binding
	before string // pressed first
	after  string // seen before the key is pressed
	key    string
	want   []string
	lose   string
}

// asksKeys are what the keys of each mode do that checks have, in an order in which
// they can be pressed one after the other.
func checkKeySteps() map[mode][]keyStep {
	return map[mode][]keyStep{
		typingPick: {
			{show: "down", key: "\x1b[B", want: []string{"> disk.space"}},
			{show: "up", key: "\x1b[A", want: []string{">*mssql.block"}},
			{show: "PgDn", key: "\x1b[6~", want: []string{"> zzz.n1"}},
			{show: "PgUp", key: "\x1b[5~", want: []string{">*mssql.block"}},
			{show: "Tab", before: "disk", after: "1 of 27", key: "\t", want: []string{"CAISEY disk.space", " SET"}},
			{show: "Esc", before: "\x1b", after: "1 of 27", key: "\x1b", want: []string{"CAISEY workspace"}},
			{show: "Enter", before: "cmssql", after: "1 of 27", key: "\r", want: []string{"> mssql.block", "RUNNING"}},
		},
		typingForm: {
			{show: "down", before: "svc.restart\t", after: "CAISEY svc.restart", key: "\x1b[B", want: []string{" > reason"}},
			{show: "up", key: "\x1b[A", want: []string{" > name"}},
			{show: "Esc", key: "\x1b", want: []string{"CAISEY checks"}},
			{show: "Tab", before: "\x15disk\t\x1b[B\x1b[B", after: " > kind", key: "\t", want: []string{"kind=local"}},
			{show: "Shift+Tab", key: "\x1b[Z", want: []string{"kind=remote"}},
			{show: "Enter", key: "\r", want: []string{"> disk.space kind=remote", "RUNNING"}},
		},
		typingYes: {
			{show: "Esc", before: "svc.restart\tcron\r", after: "type yes", key: "\x1b", want: []string{"CAISEY svc.restart", "not asked"}},
			{show: "Enter", before: "\ryes", after: "ask for it: yes", key: "\r", want: []string{"> svc.restart name=cron", "RUNNING"}},
		},
		onTable: {
			{show: "j", key: "j", want: []string{" > WARN"}},
			{show: "k", key: "k", want: []string{" > CRIT"}},
			{show: "G", key: "G", want: []string{" > /data/119"}},
			{show: "ctrl+u", key: "\x15", lose: " > /data/119"},
			{show: "ctrl+d", key: "\x04", want: []string{" > /data/119"}},
			{show: "gg", key: "gg", want: []string{" > CRIT"}},
			{show: "?", key: "?", want: []string{"CAISEY finding", "proved by"}},
			{show: "Enter", before: "qG", after: " > /data/119", key: "\r", want: []string{"CAISEY row", "120 GiB"}},
			{show: "s", before: "q", after: "CAISEY answer", key: "s", want: []string{"VOLUME^"}},
			{show: ">", before: ">", key: "s", want: []string{"SIZE^"}},
			{show: "<", before: "<", key: "s", want: []string{"VOLUME^"}},
			{show: "Tab", key: "\t", want: []string{"[inodes 2]"}},
			{show: "Shift+Tab", key: "\x1b[Z", want: []string{"[volumes 120]"}},
			{show: "/", key: "/", want: []string{"FILTER", "120 of 120 rows match"}},
		},
		typingTable: {
			{show: "Enter", before: "/data/01", after: "10 of 120", key: "\r", want: []string{"NORMAL", " / data/01", "rows 1 to"}},
			{show: "down", before: "/", after: "FILTER", key: "\x1b[B", want: []string{" > /data/011"}},
			{show: "up", key: "\x1b[A", want: []string{" > /data/010"}},
			{show: "Esc", key: "\x1b", want: []string{"NORMAL", "of 120"}, lose: "rows match"},
		},
		onPage: {
			{show: "j", before: "?", after: "CAISEY finding", key: "j", lose: " CRIT /data/003"},
			{show: "k", key: "k", want: []string{" CRIT /data/003"}},
			{show: "G", key: "G", want: []string{" /data/003  4 GiB"}},
			{show: "gg", key: "gg", want: []string{" CRIT /data/003"}},
			{show: "ctrl+d", key: "\x04", lose: " CRIT /data/003"},
			{show: "ctrl+u", key: "\x15", want: []string{" CRIT /data/003"}},
		},
	}
}

// TestCheckKeysDoWhatTheySay presses every key of the screens of checks: a binding
// without a step here fails it.
func TestCheckKeysDoWhatTheySay(t *testing.T) {
	for in, steps := range checkKeySteps() {
		t.Run(in.String(), func(t *testing.T) {
			missing := map[string]bool{}
			for _, b := range keyTable() {
				if b.mode == in {
					missing[b.show] = true
				}
			}
			h := 24
			if in == onPage {
				h = 14
			}
			w, term := openChecks(t, 80, h)
			if in == onTable || in == typingTable || in == onPage {
				s, step := askDisk(term, w, 120)
				s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
				term.see("3 findings")
				term.keys("t")
				term.see("CAISEY answer", "CRIT", "of 120")
			} else {
				term.keys("c")
				term.see("27 of 27 shown")
			}
			for _, st := range steps {
				if !missing[st.show] {
					t.Errorf("%q is no key, or is there twice", st.show)
				}
				delete(missing, st.show)
				term.keys(st.before)
				term.see(st.after)
				term.keys(st.key)
				term.see(st.want...)
				if st.lose != "" {
					term.lose(st.lose)
				}
			}
			for show := range missing {
				t.Errorf("nothing presses %q", show)
			}
		})
	}
}

// Every key of checks is in the help of where it works.
func TestCheckKeysAreInTheHelp(t *testing.T) {
	w, term := openChecks(t, 120, 150)
	s, step := askDisk(term, w, 20)
	s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
	inHelp := func(modes ...mode) {
		t.Helper()
		screen := term.see("CAISEY keys")
		for _, b := range keyTable() {
			for _, in := range modes {
				if b.mode == in && !strings.Contains(screen, b.help) {
					t.Errorf("the help of %s does not tell %q", in, b.help)
				}
			}
		}
	}
	term.keys("?")
	inHelp(onWorkspace, typingPick, typingForm, typingYes)
	term.keys("qt")
	term.see("CAISEY answer", "CRIT")
	term.keys("G?")
	inHelp(onTable, typingTable, onPage)
}

// No size of a terminal breaks a screen of checks.
func TestChecksAtAnySize(t *testing.T) {
	w, term := openChecks(t, 80, 24)
	s, step := askDisk(term, w, 50)
	s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
	term.see("3 findings")
	all := func(texts ...string) {
		t.Helper()
		for _, size := range [][2]int{{40, 8}, {30, 5}, {41, 9}, {300, 100}, {80, 24}} {
			term.emu.Resize(size[0], size[1])
			term.prog.Send(sizeMsg(size[0], size[1]))
			if size[0] < minWidth {
				term.see("caisey needs 40x8")
				continue
			}
			term.until(fmt.Sprint(texts, " at ", size), func(s string) bool {
				for _, text := range texts {
					if !strings.Contains(s, text) {
						return false
					}
				}
				rows := strings.Split(s, "\n")
				return len(rows) == size[1]
			})
		}
	}
	all("CAISEY workspace", "CRIT")
	term.keys("t")
	all("CAISEY answer", "CRIT", "rows 1 to")
	term.keys("?")
	all("CAISEY finding", "CRIT")
	term.keys("qqc")
	all("CAISEY checks", "mssql.block")
	term.keys("svc.restart\t")
	all("CAISEY svc.restart", "name")
	term.keys("cron\r")
	all("CAISEY change", "type yes")
}

// Without colours and beyond ASCII nothing is lost: every state is a word.
func TestChecksInASCIIWithoutColour(t *testing.T) {
	w := newWorld(t, "db01")
	w.checks = someChecks(t)
	term := start(t, 60, 20, Config{Backend: w, Open: []string{"*"}, ASCII: true, NoColor: true})
	term.see("= 1 acme/db01")
	term.lose("opening")
	s, step := askDisk(term, w, 120)
	s.end(t, step, sessionlog.Ended{State: sessionlog.OK})
	term.see("CRIT /data/003", "WARN /data/002", "INFO two", "3 findings")
	term.keys("GGt")
	term.see("CAISEY answer", "CRIT")
	term.keys("Gs?")
	term.see("CAISEY keys")
	term.keys("qgg?")
	term.see("CAISEY finding", "CRIT")
	term.keys("qqc")
	term.see("PROBE", "READ")
	term.keys("svc.restart\tx\r")
	term.see("type yes")
	term.prog.Quit()
	term.ended()
	raw := term.raw.String()
	for _, r := range raw {
		if r > 0x7e {
			t.Fatalf("%q is not ASCII", r)
		}
	}
	for _, colour := range []string{"[31m", "[36m", "[92m", "[91m", "[90m", "[93m", ";91m", ";96m", ";36m"} {
		if strings.Contains(raw, colour) {
			t.Errorf("colour %q with NoColor", colour)
		}
	}
}
