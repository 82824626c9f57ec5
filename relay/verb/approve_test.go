package verb

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

var held = []console.Approval{
	{
		Session: "S1", Step: "01AAA", Client: "acme", Name: "db01", By: "bo", Command: "reboot\u202e\x1b[2J", Effect: "shell", Timeout: 90,
		Reason: "it hangs", Digest: "d1", Need: 2, Granted: []string{"cy"}, Rules: []string{"prod"}, Asked: start, Expires: start.Add(time.Hour), May: true,
	},
	{Session: "S2", Step: "01AAB", Client: "acme", Name: "db02", By: "ana", Command: "x", Digest: "d2", Need: 1, Rules: []string{"prod"}, Mine: true},
}

func TestApproveVerbs(t *testing.T) {
	for line, want := range map[string]console.Intent{
		"approve grant 01aaa":                        console.Approve{Session: "S1", Step: "01AAA", Digest: "d1"},
		"approve grant 01AAA --digest d9":            console.Approve{Session: "S1", Step: "01AAA", Digest: "d9"},
		"approve deny 01AAB --why 'not now'":         console.Deny{Session: "S2", Step: "01AAB", Digest: "d2", Why: "not now"},
		"approve override 01AAB --why 'plant burns'": console.Override{Session: "S2", Step: "01AAB", Digest: "d2", Why: "plant burns"},
		"policy apply -":                             console.ApplyPolicy{Text: "rules"},
		"policy check -":                             console.ApplyPolicy{Text: "rules", Check: true},
	} {
		w := newWorld(t)
		w.held = held
		got := w.say(t, line, func(c *Call) { c.Stdin = strings.NewReader("rules") })
		if got.code != 0 || len(w.intents) != 1 || !reflect.DeepEqual(w.intents[0], want) {
			t.Errorf("%s: %+v asks for %+v, want %+v", line, got, w.intents, want)
		}
	}
	one := append([]console.Approval{{Session: "S3", Step: "02BBB", Digest: "d3"}}, held...)
	for line, asks := range map[string]bool{
		"approve grant 02B": false, "approve override 02B --why x": false,
		"approve grant 02B --digest d3": true, "approve override 02B --digest d3 --why x": true,
	} {
		w := newWorld(t)
		w.held = one
		if got := w.say(t, line); (len(w.intents) == 1) != asks || !asks && !strings.Contains(got.err, "not the whole id") {
			t.Errorf("%s: %+v asks for %v", line, got, w.intents)
		}
	}
	for line, want := range map[string]string{
		"approve grant 01A":          "more than one step",
		"approve grant 02":           "no step",
		"approve deny 01AAA":         "--why",
		"policy apply /etc/passwd":   "cannot read your file",
		"approve override 01AAA":     "--why",
		"policy apply - and another": "unexpected argument",
	} {
		w := newWorld(t)
		w.held = held
		if got := w.say(t, line); got.code != ExitUsage || !strings.Contains(got.err, want) || len(w.intents) != 0 {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// What is to be approved reads the same for everybody.
func TestApproveShows(t *testing.T) {
	w := newWorld(t)
	if got := w.say(t, "approve ls"); got.code != 0 || !strings.Contains(got.err, "nothing waits") {
		t.Errorf("%+v", got)
	}
	w.held = held
	list, show := w.say(t, "approve ls").out, w.say(t, "approve show 01AAA").out
	for _, text := range []string{list, show} {
		if !strings.Contains(text, `reboot\u{202e}\u{1b}[2J`) || strings.ContainsAny(text, "\x1b\u202e") {
			t.Errorf("the command reads\n%s", text)
		}
	}
	for _, want := range []string{"1/2", "may", "asked", "acme/db01"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in\n%s", want, list)
		}
	}
	for _, want := range []string{"digest       d1\n", "approved by  cy\n", "reason       it hangs\n", "undo         -\n", "time limit   1m30s\n"} {
		if !strings.Contains(show, want) {
			t.Errorf("no %q in\n%s", want, show)
		}
	}
	if got := w.say(t, "approve ls --json").out; !strings.Contains(got, `"need":2,"granted":["cy"]`) {
		t.Errorf("%s", got)
	}
}

// Whoever waits at a gate is told for whom.
func TestRunTellsOfItsGate(t *testing.T) {
	w := newWorld(t, "acme/db01")
	w.act = func(s *step) {
		s.w.append(s.rec, sessionlog.New(sessionlog.ApprovalRequested, sessionlog.Relay, s.id, sessionlog.Hold{Need: 1, Rules: []string{"prod"}, Expires: start}))
		s.w.append(s.rec, sessionlog.New(sessionlog.ApprovalGranted, "technician:bo", s.id, sessionlog.Answer{}))
		s.end(sessionlog.Ended{State: sessionlog.OK})
	}
	got := w.say(t, "run acme/db01 --reason 'it hangs' --undo 'start it' -- reboot")
	if got.code != 0 || !strings.Contains(got.err, "waits for 1 approval until") || !strings.Contains(got.err, "(prod)") || !strings.Contains(got.err, "approved by bo") {
		t.Errorf("%+v", got)
	}
	for _, in := range w.intents {
		if run, ok := in.(console.Run); ok && (run.Reason != "it hangs" || run.Undo != "start it" || run.Targets != 1) {
			t.Errorf("%+v", run)
		}
	}
}

// Nothing that the asker writes looks like a line of what is to be approved.
func TestApproveShowsWhatIsOutside(t *testing.T) {
	pad := strings.Repeat(" ", 200)
	fake := "x" + pad + "digest       d2\nneeds        0\r" + pad
	w := newWorld(t)
	w.held = []console.Approval{{Session: "S1", Step: "01AAA", Client: "acme", Name: "db01", By: "bo", Command: fake, Reason: fake, Undo: strings.Repeat("│ ", 100), Digest: "d1", Need: 1}}
	var rows []string
	for line := range strings.Lines(w.say(t, "approve show 01AAA").out) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > 75 {
			t.Errorf("%d columns: %q", n, line)
		}
		rest, ours := strings.CutPrefix(line, "             │ ")
		if name, _, _ := strings.Cut(line, "  "); !ours {
			rows = append(rows, name)
		} else if strings.Contains(rest, "│") {
			t.Errorf("the asker wrote %q", line)
		}
	}
	want := "command effect endpoint asked by reason undo time limit approved by needs rule asked at expires at session step digest"
	if got := strings.Join(rows, " "); strings.Join(strings.Fields(got), " ") != want {
		t.Errorf("the rows are %q", got)
	}
}

func TestOncallVerb(t *testing.T) {
	for line, want := range map[string]console.Intent{
		"tech oncall bo --client acme --for 8h": console.SetOnCall{Name: "bo", Client: "acme", For: 8 * time.Hour},
		"tech oncall bo --client acme --off":    console.SetOnCall{Name: "bo", Client: "acme", Off: true},
	} {
		w := newWorld(t)
		if got := w.say(t, line); got.code != 0 || len(w.intents) != 1 || w.intents[0] != want {
			t.Errorf("%s: %+v asks for %+v", line, got, w.intents)
		}
	}
	for _, line := range []string{"tech oncall bo --client acme", "tech oncall bo --client acme --for 8h --off", "tech oncall bo --for 8h"} {
		w := newWorld(t)
		if got := w.say(t, line); got.code != ExitUsage || len(w.intents) != 0 {
			t.Errorf("%s: %+v", line, got)
		}
	}
	w := newWorld(t)
	w.people = []console.Technician{{Name: "bo", OnCall: map[string]time.Time{"acme": start.In(time.FixedZone("x", 3600))}}}
	if got := w.say(t, "tech ls").out; !strings.Contains(got, "acme=2026-11-24T10:00Z") {
		t.Errorf("%s", got)
	}
	if got := w.say(t, "tech ls --json").out; !strings.Contains(got, `"on_call":{"acme":"2026-11-24T10:00:00Z"}`) {
		t.Errorf("%s", got)
	}
}
