package verb

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

func TestLog(t *testing.T) {
	w := newWorld(t, "acme/db01")
	w.act = func(s *step) {
		s.out(sessionlog.Stdout, "up 3 days\x1b]0;x\x07\n")
		s.exit(0)
	}
	w.say(t, "run db01 -- uptime")
	id := string(w.order[0])
	for _, ref := range []string{id, strings.ToLower(id), id[:4]} {
		got := w.say(t, "log "+ref)
		if got.code != 0 || got.err != "" || strings.Contains(got.out, "\x1b") {
			t.Fatalf("log %s: %+v", ref, got)
		}
		for _, want := range []string{"ana", "acme/db01", "uptime", "up 3 days", "exit 0"} {
			if !strings.Contains(got.out, want) {
				t.Errorf("log has no %q:\n%s", want, got.out)
			}
		}
	}
	got := w.say(t, "log "+id+" --json")
	if n := strings.Count(got.out, "\n"); n != 4 {
		t.Fatalf("%d lines of JSON for 4 events:\n%s", n, got.out)
	}
	for line := range strings.Lines(got.out) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil || v["session"] != id || v["endpoint"] != string(w.eps[0].ID) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Without --follow the log of an open session ends; with it, it goes on until
// the session is closed.
func TestLogFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "acme/db01")
		w.say(t, "run db01 -- one")
		id := string(w.order[0])
		if got := w.say(t, "log "+id); got.code != 0 || !strings.Contains(got.out, "one") {
			t.Fatalf("%+v", got)
		}
		done := make(chan told)
		go func() { done <- w.say(t, "log "+id+" --follow") }()
		synctest.Wait()
		w.say(t, "run db01 -- two")
		if got := w.say(t, "close "+id); got.code != 0 || !strings.Contains(got.err, "closed session "+id+" on acme/db01") {
			t.Errorf("close: %+v", got)
		}
		got := <-done
		if got.code != 0 || !strings.Contains(got.out, "two") || !strings.Contains(got.out, "closed") {
			t.Errorf("log --follow: %+v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.say(t, "run db01 -- three")
		go func() { done <- w.sayCtx(ctx, "log --follow "+string(w.order[1])) }()
		synctest.Wait()
		cancel()
		if got := <-done; got.code != ExitCancelled || got.err != "caisey: cancelled\n" {
			t.Errorf("log --follow, interrupted: %+v", got)
		}
	})
}

func TestSessions(t *testing.T) {
	w := newWorld(t, "acme/db01", "beta/web01")
	w.say(t, "run db01 -- x")
	w.say(t, "run web01 -- x")
	got := w.say(t, "sessions")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "beta/web01") || !strings.Contains(lines[1], "acme/db01") {
		t.Errorf("sessions, newest first:\n%s", got.out)
	}
	if got := w.say(t, "sessions --client acme --by ana --since 3d --json"); strings.Count(got.out, "\n") != 1 {
		t.Errorf("narrowed: %q", got.out)
	}
	if got := w.say(t, "sessions --since 1m"); got.out != "" || !strings.Contains(got.err, "no session matches") || got.code != 0 {
		t.Errorf("none: %+v", got)
	}
}

func TestNote(t *testing.T) {
	w := newWorld(t, "acme/db01")
	w.open(w.eps[0].ID)
	id := string(w.order[0])
	for line, want := range map[string]string{
		"note " + id + " it's the disk": "it's the disk", "note " + id[:5] + " 'two  words'": "two  words",
	} {
		w.intents = nil
		if got := w.say(t, line); got.code != 0 || !strings.Contains(got.err, "noted in session "+id) {
			t.Errorf("%s: %+v", line, got)
		}
		if in := w.intents[0].(console.Note); in.Text != want || string(in.Session) != id {
			t.Errorf("%s: %+v", line, in)
		}
	}
}
