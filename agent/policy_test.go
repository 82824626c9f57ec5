//go:build unix

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/wire"
)

// rule makes text the endpoint's own policy.
func rule(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The endpoint's own policy holds at the next step, names its line, and costs no id.
func TestOwnPolicy(t *testing.T) {
	c, data := begin(t, Config{})
	file, mark := filepath.Join(data, "policy"), filepath.Join(t.TempDir(), "mark")
	start := &wire.Start{Step: "S1", Command: "echo x >>" + mark, Effect: "shell"}
	for _, p := range []struct{ text, why string }{
		{"# ours\nread-only\n", "the endpoint's own policy, line 2: read-only"},
		{"never *MARK*\n", "the endpoint's own policy, line 1: never *MARK*"},
		{"effects shell\nhours later\n", `the endpoint's own policy: it cannot be used, so everything is refused: line 2: "later" is no time to time, such as 08:00-18:00`},
	} {
		rule(t, file, p.text)
		r := c.open(startOf(start)).refused()
		if r.GetCode() != wire.Refused_CODE_DENIED || r.GetWhy() != p.why {
			t.Errorf("%q: %v", p.text, r)
		}
	}
	if exists(mark) || exists(filepath.Join(data, "spool", "S1")) {
		t.Fatal("a refused command left something")
	}
	rule(t, file, "effects shell\n")
	s := c.open(startOf(start))
	if exit := s.exit(); exit.GetState() != wire.Exit_STATE_OK || readFile(t, mark) != "x\n" {
		t.Fatal(describe(exit))
	}
	rule(t, file, "effects none\n")
	again := c.open(startOf(start)) // it is held: nothing begins
	if exit := again.exit(); exit.GetState() != wire.Exit_STATE_OK {
		t.Fatal(describe(exit))
	}
	again.done()
}

func TestUnknownEffectIsRefused(t *testing.T) {
	c, _ := begin(t, Config{})
	r := c.open(startOf(&wire.Start{Step: "S1", Command: "true", Effect: "magic"})).refused()
	if r.GetCode() != wire.Refused_CODE_DENIED || !strings.Contains(r.GetWhy(), `"magic" is not known here`) {
		t.Fatal(r)
	}
}

// A policy that is named on the command line has to be there.
func TestNamedPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own")
	c, _ := begin(t, Config{Policy: file})
	if fmt.Sprint(c.hello.GetEffects()) != "[none]" {
		t.Error(c.hello.GetEffects())
	}
	if r := c.start("S1", "true").refused(); !strings.Contains(r.GetWhy(), "everything is refused: open "+file) {
		t.Error(r)
	}
	rule(t, file, "effects shell\n")
	s := c.start("S1", "true")
	s.exit()
	s.done()
}

// The relay is told what the policy allows, and again within a heartbeat of a change.
func TestEffectsAreTold(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		c := w.agent()
		if got := fmt.Sprint(c.hello.GetEffects()); got != "[read probe shell change]" {
			t.Fatal(got)
		}
		for _, p := range []struct{ text, want string }{
			{"read-only\n", "[read probe]"}, {"read-oly\n", "[none]"}, {"never *rm*\n", "[read probe shell change]"},
		} {
			rule(t, filepath.Join(w.data, "policy"), p.text)
			begin := time.Now()
			if got := fmt.Sprint(<-c.told); got != p.want {
				t.Errorf("%q: %s", p.text, got)
			}
			if d := time.Since(begin); d > wire.HeartbeatEvery+time.Second {
				t.Errorf("told after %v", d)
			}
		}
		wait(10 * wire.HeartbeatEvery)
		synctest.Wait()
		if n := len(c.told); n > 0 {
			t.Errorf("told %d times more, and nothing changed", n)
		}
	})
}
