package verb

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

func TestReplayPace(t *testing.T) {
	for speed, want := range map[string]time.Duration{"1": 6 * time.Second, "2": 3 * time.Second, "0.25": 24 * time.Second, "1 --idle 0": time.Hour + 5*time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "acme/db01")
			w.act = func(s *step) { // events are a second apart, and one gap is an hour
				s.out(sessionlog.Stdout, "a\n")
				s.w.mu.Lock()
				s.w.now = s.w.now.Add(time.Hour)
				s.w.mu.Unlock()
				s.out(sessionlog.Stdout, "b\n")
				s.out(sessionlog.Stdout, "c\n")
				s.exit(0)
			}
			w.say(t, "run db01 -- x")
			begun := time.Now()
			got := w.say(t, "replay "+string(w.order[0])+" --speed "+speed)
			if d := time.Since(begun); d != want || got.code != 0 || !strings.Contains(got.out, "c\n") {
				t.Errorf("speed %s took %v, want %v: %+v", speed, d, want, got)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			defer cancel()
			begun = time.Now()
			if got := w.sayCtx(ctx, "replay "+string(w.order[0])+" --speed 0.25"); got.code != ExitCancelled || time.Since(begun) != 2500*time.Millisecond {
				t.Errorf("cancelled after %v: %+v", time.Since(begun), got)
			}
		})
	}
}

// evening is a record of three steps, of which the second failed and the first
// runs beside both, and its ID. Events are a second apart, from 10:00:01 on.
func evening(t *testing.T) (*world, string) {
	w := newWorld(t, "acme/db01")
	long := make(chan struct{})
	w.act = func(s *step) {
		switch s.run.Command {
		case "long":
			s.out(sessionlog.Stdout, "long begins\n") // event 3, 10:00:03
			<-long
			s.out(sessionlog.Stdout, "long ends\n")
			s.exit(0)
		case "bad":
			s.out(sessionlog.Stderr, "bad breaks\n")
			s.exit(3)
		}
	}
	go w.say(t, "run db01 -- long")
	synctest.Wait()
	w.say(t, "run db01 -- bad") // events 4 to 6
	w.act = nil
	w.say(t, "run db01 -- good") // events 7 to 9
	close(long)                  // events 10 and 11
	synctest.Wait()
	return w, string(w.order[0])
}

func TestReplayPlaces(t *testing.T) {
	for flags, want := range map[string]struct {
		has, not string // words, by comma
		took     time.Duration
	}{
		"":                             {"session,long begins,bad breaks,good,long ends", "", 10 * time.Second},
		"--until 10:00:05":             {"long begins,bad breaks", "good,long ends", 4 * time.Second},
		"--from 10:00:05":              {"session,> long,bad breaks,good,long ends,> bad", "long begins", 6 * time.Second},
		"--from +4s --until +5s":       {"> long,> bad,bad breaks", "good,long begins", time.Second},
		"--from 2026-11-24T10:00:09Z":  {"long ends", "bad,long begins", 2 * time.Second},
		"--step 3":                     {"> long,> good,good", "bad,long begins", 4 * time.Second},
		"--step 1 --until 10:00:02":    {"> long", "begins", 0},
		"--error":                      {"> long,> bad,bad breaks,exit 3,good", "long begins", 7 * time.Second},
		"--as-of 10:00:06":             {"long begins,bad breaks,exit 3", "good,long ends", 0},
		"--as-of +0s":                  {"session", "long", 0},
		"--from 10:00:05 --speed 2":    {"bad breaks", "", 3 * time.Second},
		"--from 10:00:01 --idle 500ms": {"long begins,bad breaks", "", 5 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, id := evening(t)
			begun := time.Now()
			got := w.say(t, "replay "+id+" "+flags)
			if d := time.Since(begun); d != want.took || got.code != 0 {
				t.Errorf("replay %s took %v, not %v, and exits with %d: %s", flags, d, want.took, got.code, got.err)
			}
			for word := range strings.SplitSeq(want.has, ",") {
				if !strings.Contains(got.out, word) {
					t.Errorf("replay %s has no %q:\n%s", flags, word, got.out)
				}
			}
			for word := range strings.SplitSeq(want.not, ",") {
				if word != "" && strings.Contains(got.out, word) {
					t.Errorf("replay %s has %q:\n%s", flags, word, got.out)
				}
			}
			if w.looks != 0 {
				t.Errorf("replay %s leaves %d records open", flags, w.looks)
			}
		})
	}
}

func TestReplayAsOfSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, id := evening(t)
		if got := w.say(t, "replay "+id+" --as-of 10:00:05"); !strings.Contains(got.err, "as of event 5 of 11; steps that ran then: 2") {
			t.Errorf("%+v", got)
		}
		step := string(w.records[w.order[0]].evs[6].Step)
		if got := w.say(t, "replay "+id+" --speed 64 --step "+strings.ToLower(step)); got.code != 0 || !strings.Contains(got.out, "> good") || strings.Contains(got.out, "> bad") {
			t.Errorf("by the step's ID: %+v", got)
		}
	})
}

func TestReplayRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, id := evening(t)
		for flags, want := range map[string]string{
			"--speed 65":                   "speed 65 is not possible",
			"--speed 0.2":                  "give a number from 0.25 to 64",
			"--speed NaN":                  "not possible",
			"--from tea":                   `"tea" is not a time`,
			"--from +tea":                  `"tea" is not a duration`,
			"--from 11:00":                 "the record ends before that, at 2026-11-24T10:00:11Z",
			"--until 2026-11-24":           "the record begins after that",
			"--from +5s --step 1":          "--from and --step both say where to begin",
			"--step 4":                     `no step "4"`,
			"--step 0":                     `no step "0"`,
			"--step 01Z":                   `no step "01Z"`,
			"--from +6s --error":           "no step failed from event 7 on",
			"--from +6s --until +2s":       "end before it begins",
			"--as-of +1s --error":          "give --as-of alone",
			"--as-of 2026-11-24T09:00:00Z": "the record begins after that",
		} {
			if got := w.say(t, "replay "+id+" "+flags); got.code != ExitUsage || !strings.Contains(got.err, want) || got.out != "" {
				t.Errorf("replay %s: %+v, want %q", flags, got, want)
			}
		}
	})
}

// A replay from the middle of a large record reads next to nothing before it.
func TestReplayLargeRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "acme/db01")
		const n = 100_000
		w.act = func(s *step) {
			for i := range n {
				s.out(sessionlog.Stdout, fmt.Sprintf("line %d\n", i))
			}
			s.exit(0)
		}
		w.say(t, "run db01 -- flood")
		w.reads = 0
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		got := w.sayCtx(ctx, "replay "+string(w.order[0])+" --from +50000s")
		if got.code != ExitCancelled || !strings.Contains(got.out, "> flood") || strings.Count(got.out, "line ") != 4 {
			t.Errorf("%+v", got)
		}
		if w.reads > 17+readBatch {
			t.Errorf("%d events were read", w.reads)
		}
	})
}
