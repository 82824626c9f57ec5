package verb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

func TestRunOne(t *testing.T) {
	for name, tt := range map[string]struct {
		end  sessionlog.Ended
		code int
		err  string // on stderr, after the command's own
	}{
		"ok":        {sessionlog.Ended{State: sessionlog.OK}, 0, ""},
		"own code":  {sessionlog.Ended{State: sessionlog.Failed, Exit: 42}, 42, ""},
		"big code":  {sessionlog.Ended{State: sessionlog.Failed, Exit: 256}, 1, ""},
		"signal":    {sessionlog.Ended{State: sessionlog.Failed, Exit: -1, Signal: "SIGKILL"}, 1, "caisey: acme/db01: failed: ended by SIGKILL\n"},
		"timed out": {sessionlog.Ended{State: sessionlog.TimedOut, Exit: -1}, 1, "caisey: acme/db01: timed out; give it longer with --timeout\n"},
		"cancelled": {sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1}, 130, "caisey: acme/db01: cancelled\n"},
		"refused":   {sessionlog.Ended{State: sessionlog.Refused, Exit: -1, Why: "policy\x1b[2J"}, 3, "caisey: acme/db01: refused: policy\n"},
		"offline":   {sessionlog.Ended{State: sessionlog.Offline, Exit: -1}, 4, "caisey: acme/db01: offline; `ls` says since when\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "acme/db01", "acme/web01")
			w.act = func(s *step) {
				s.out(sessionlog.Stdout, "a\x1b]0;x\x07\nno end")
				s.out(sessionlog.Stderr, "oops\n")
				s.end(tt.end)
			}
			got := w.say(t, "run db01 -- x  'y'")
			if got.out != "a\nno end" || got.err != "oops\n"+tt.err || got.code != tt.code {
				t.Errorf("exit %d, want %d\nstdout %q\nstderr %q", got.code, tt.code, got.out, got.err)
			}
			if in := w.intents[1].(console.Run); in.Command != "x  'y'" || in.Timeout != time.Minute {
				t.Errorf("asked for %q within %v", in.Command, in.Timeout)
			}
			if len(w.intents) != 2 {
				t.Errorf("asked %d times, want Open and Run", len(w.intents))
			}
		})
	}
}

func TestRunSeveral(t *testing.T) {
	w := newWorld(t, "acme/a", "acme/b", "acme/c")
	w.act = func(s *step) {
		s.out(sessionlog.Stdout, "one\nhalf")
		s.out(sessionlog.Stderr, "warn")
		s.out(sessionlog.Stdout, " line\n\x1b[31mred\nlast")
		switch s.ep.Name {
		case "a":
			s.exit(0)
		case "b":
			s.exit(3)
		case "c":
			s.end(sessionlog.Ended{State: sessionlog.Offline, Exit: -1, Why: "not connected"})
		}
	}
	got := w.say(t, "run acme/* -- x")
	for _, n := range []string{"a", "b", "c"} {
		var mine []string
		for line := range strings.Lines(got.out) {
			if strings.HasPrefix(line, "acme/"+n+": ") {
				mine = append(mine, strings.TrimPrefix(line, "acme/"+n+": "))
			}
		}
		if want := "one\nhalf line\n\x1b[31mred\x1b[m\nlast\n"; strings.Join(mine, "") != want {
			t.Errorf("%s printed %q", n, mine)
		}
		if !strings.Contains(got.err, "acme/"+n+": warn\n") {
			t.Errorf("stderr of %s is missing in %q", n, got.err)
		}
	}
	if strings.Count(got.out, "\n") != 12 {
		t.Errorf("lines of nobody:\n%s", got.out)
	}
	end := "caisey: acme/b: failed, exit 3\ncaisey: acme/c: offline: not connected; `ls` says since when\ncaisey: 3 targets: 1 ok, 1 failed, 1 offline\n"
	if !strings.HasSuffix(got.err, end) || got.code != ExitFailed {
		t.Errorf("exit %d, stderr\n%s", got.code, got.err)
	}
}

func TestRunCodes(t *testing.T) {
	for name, tt := range map[string]struct {
		states []sessionlog.Outcome
		code   int
	}{
		"ok":      {[]sessionlog.Outcome{"ok", "ok"}, 0},
		"one bad": {[]sessionlog.Outcome{"ok", "timed out"}, 1},
		"refused": {[]sessionlog.Outcome{"refused", "refused"}, 3},
		"offline": {[]sessionlog.Outcome{"offline", "offline"}, 4},
		"mixed":   {[]sessionlog.Outcome{"offline", "refused"}, 1},
		"some":    {[]sessionlog.Outcome{"ok", "offline"}, 1},
		"unknown": {[]sessionlog.Outcome{"ok", "evaporated"}, 1},
	} {
		w := newWorld(t, "acme/0", "acme/1")
		w.act = func(s *step) {
			s.end(sessionlog.Ended{State: tt.states[s.ep.Name[0]-'0'], Exit: -1})
		}
		got := w.say(t, "run acme/* -- x")
		if got.code != tt.code {
			t.Errorf("%s: exit %d, want %d", name, got.code, tt.code)
		}
		sum, n := 0, 0
		line := got.err[strings.LastIndex(got.err, "targets: ")+len("targets: "):]
		for part := range strings.SplitSeq(strings.TrimSpace(line), ", ") {
			if _, err := fmt.Sscan(part, &n); err != nil {
				t.Fatalf("%s: summary %q: %v", name, line, err)
			}
			sum += n
		}
		if sum != 2 {
			t.Errorf("%s: summary %q adds up to %d of 2", name, line, sum)
		}
	}
}

// A relay that fails is told apart from a command that does.
func TestRunRelayFails(t *testing.T) {
	for name, tt := range map[string]struct {
		on   any
		err  error
		code int
		want string
	}{
		"open offline": {console.Open{}, console.Errorf(console.CodeOffline, "", "acme/a is not connected"), 4, "offline: acme/a is not connected; `ls` says since when"},
		"open refused": {console.Open{}, console.Errorf(console.CodeRefused, "ask a lead", "ana is viewer"), 3, "refused: ana is viewer; ask a lead"},
		"open failed":  {console.Open{}, console.Errorf(console.CodeFailed, "", "disk full"), 5, "failed: disk full"},
		"run failed":   {console.Run{}, console.Errorf(console.CodeFailed, "", "disk full"), 5, "failed: disk full"},
		"run cut":      {console.Run{}, errors.New("connection lost"), 5, "lost: connection lost; it may or may not have run"},
	} {
		w := newWorld(t, "acme/a")
		w.refuse = func(in console.Intent) error {
			if fmt.Sprintf("%T", in) == fmt.Sprintf("%T", tt.on) {
				return tt.err
			}
			return nil
		}
		got := w.say(t, "run a -- x")
		if got.code != tt.code || !strings.HasPrefix(got.err, "caisey: acme/a: "+tt.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRunSessionClosed(t *testing.T) {
	w := newWorld(t, "acme/a")
	w.act = func(s *step) {
		s.w.append(s.rec, sessionlog.New(sessionlog.SessionClosed, sessionlog.Relay, "", sessionlog.Closed{}))
	}
	got := w.say(t, "run a -- x")
	if got.code != ExitFailed || !strings.Contains(got.err, "acme/a: lost: the session was closed before it ended; it may or may not") {
		t.Errorf("%+v", got)
	}
}

// Whoever goes away takes along what they started.
func TestRunCancel(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "acme/a", "acme/b")
			release := make(chan struct{})
			w.act = func(s *step) {
				s.out(sessionlog.Stdout, "begun\n")
				<-s.cancel
				if !heeds {
					<-release
				}
				s.end(sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1})
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan told)
			go func() { done <- w.sayCtx(ctx, "run acme/* -- sleep 100") }()
			synctest.Wait()
			cancel()
			before := time.Now()
			got := <-done
			want := "2 targets: 2 cancelled"
			if !heeds {
				want = "2 targets: 2 lost"
			}
			if got.code != ExitCancelled || !strings.Contains(got.err, want) || time.Since(before) > cancelGrace {
				t.Errorf("heeds %v: after %v: %+v", heeds, time.Since(before), got)
			}
			if strings.Count(got.out, "begun") != 2 {
				t.Errorf("stdout %q", got.out)
			}
			close(release)
			w.wg.Wait()
		})
	}
}

// A reader that goes away is noticed like Ctrl-C.
func TestRunBrokenPipe(t *testing.T) {
	w := newWorld(t, "acme/a")
	w.act = func(s *step) {
		s.out(sessionlog.Stdout, "line\n")
		<-s.cancel
		s.end(sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1})
	}
	got := w.say(t, "run a -- yes", func(c *Call) { c.Stdout = broken{} })
	if got.code != ExitCancelled {
		t.Errorf("%+v", got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestRunNoColor(t *testing.T) {
	w := newWorld(t, "acme/a")
	w.act = func(s *step) {
		s.out(sessionlog.Stdout, "\x1b[3")
		s.out(sessionlog.Stdout, "1mred\x1b[m\n")
		s.exit(0)
	}
	if got := w.say(t, "run a -- x", func(c *Call) { c.NoColor = true }); got.out != "red\n" {
		t.Errorf("%q", got.out)
	}
	if got := w.say(t, "run a -- x"); got.out != "\x1b[31mred\x1b[m\n\x1b[m" {
		t.Errorf("%q", got.out)
	}
}

func TestRunLongLine(t *testing.T) {
	w := newWorld(t, "acme/a", "acme/b")
	w.act = func(s *step) {
		for range 10 {
			s.out(sessionlog.Stdout, strings.Repeat("x", 32<<10))
		}
		s.exit(0)
	}
	got := w.say(t, "run acme/* -- x")
	for line := range strings.Lines(got.out) {
		if len(line) > maxHeld+32<<10 {
			t.Fatalf("held a line of %d bytes", len(line))
		}
	}
	if n := strings.Count(got.out, "x"); n != 20*32<<10 {
		t.Errorf("%d bytes arrived", n)
	}
}

func TestRunJSON(t *testing.T) {
	w := newWorld(t, "acme/a", "acme/b")
	w.act = func(s *step) {
		s.out(sessionlog.Stdout, "ü\x1b[2J\x7f\u009b")
		s.out(sessionlog.Stderr, "\xff")
		s.exit(7)
	}
	got := w.say(t, "run acme/a --json -- x")
	if got.code != 7 || got.err != "" {
		t.Errorf("exit %d, stderr %q", got.code, got.err)
	}
	for i := range len(got.out) {
		if c := got.out[i]; c != '\n' && (c < ' ' || c == 0x7f) || strings.Contains(got.out, "\u009b") {
			t.Fatalf("JSON has the raw byte %#x: %q", c, got.out)
		}
	}
	var kinds []string
	var last map[string]any
	for line := range strings.Lines(got.out) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, last["kind"].(string))
		switch {
		case last["stream"] == "stdout" && last["text"] != "ü\x1b[2J\x7f\u009b":
			t.Errorf("text is %q", last["text"])
		case last["stream"] == "stderr" && last["base64"] != "/w==":
			t.Errorf("base64 is %v", last["base64"])
		}
	}
	if strings.Join(kinds, " ") != "step.requested step.output step.output step.ended result" {
		t.Errorf("events %v", kinds)
	}
	if first := strings.SplitN(got.out, "\n", 2)[0]; !strings.Contains(first, `"by":"ana"`) || !strings.Contains(first, string(w.order[0])) {
		t.Errorf("first event %s", first)
	}
	if last["state"] != "failed" || last["exit"] != 7.0 || last["by"] != "ana" || last["name"] != "a" || last["client"] != "acme" {
		t.Errorf("result %v", last)
	}
}
