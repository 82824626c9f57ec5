package relay

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// Asking for a step again is answered with where it was asked for, however long ago
// that was: while its endpoint was away or not, its record is parked, or another
// relay took it up.
func TestAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ana, session, link := staffed(t, Config{IdleSeal: 100 * time.Hour})
		defer func() { w.relay.Close() }()
		ran, first := w.run(ana, session, "true")
		conv := <-link.calls
		conv.say(exitOK(""))
		w.await(ana, session, ran)
		link.lose()
		offline, second := w.run(ana, session, "false")
		again := func(when string) {
			t.Helper()
			for step, want := range map[sessionlog.StepID]sessionlog.Seq{ran: first.Seq, offline: second.Seq} {
				rec, err := ana.Do(t.Context(), console.Run{Session: session, Step: step, Command: "true"})
				if err != nil || rec.Seq != want {
					t.Errorf("%s: asked at %d, asked again at %d, %v", when, want, rec.Seq, err)
				}
				_, err = ana.Do(t.Context(), console.Cancel{Session: session, Step: step})
				if codeOf(err) != console.CodeUsage {
					t.Errorf("%s: a step that ended is cancelled: %v", when, err)
				}
			}
			_, err := ana.Do(t.Context(), console.Cancel{Session: session, Step: sessionlog.NewStepID()})
			if codeOf(err) != console.CodeNotFound {
				t.Errorf("%s: a step that was not asked for is cancelled: %v", when, err)
			}
			found, err := ana.Search(t.Context(), console.Query{ID: session})
			if err != nil || len(found) != 1 || found[0].Steps != 2 || found[0].Running != 0 || found[0].Events != second.Seq+1 {
				t.Errorf("%s: the session is listed as %+v, %v", when, found, err)
			}
		}
		again("at once")
		<-time.After(5 * time.Minute)
		again("after a while")
		w.relay.Close()
		w.start(Config{IdleSeal: 100 * time.Hour})
		ana = w.relay.Console(ana.Self())
		again("of the next relay")
	})
}

// Nobody asked for a step that could not be recorded: it may be asked for again.
func TestStepThatWasNotRecordedIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ana, session, link := staffed(t, Config{})
		defer w.relay.Close()
		link.lose()
		log := w.records.logs[session]
		log.fail, log.of = errors.New("disk full"), sessionlog.StepRequested
		step := sessionlog.NewStepID()
		run := func() error {
			_, err := ana.Do(t.Context(), console.Run{Session: session, Step: step, Command: "true"})
			return err
		}
		if err := run(); codeOf(err) != console.CodeFailed {
			t.Errorf("on a full disk: %v", err)
		}
		synctest.Wait()
		if err := run(); err != nil {
			t.Errorf("once there is space: %v", err)
		}
	})
}

// Steps are found in whatever order they ended.
func TestPast(t *testing.T) {
	var p past
	ids := map[sessionlog.StepID]sessionlog.Seq{}
	for seq := range sessionlog.Seq(100) {
		id := sessionlog.NewStepID()
		ids[id] = seq + 1
	}
	order := make([]sessionlog.StepID, 0, len(ids)) // that of the map
	for id, seq := range ids {
		p.add(id, seq)
		order = append(order, id)
	}
	p.add("no id", 7)
	if p.len() != 101 || slices.IsSorted(order) {
		t.Errorf("%d steps", p.len())
	}
	for id, seq := range ids {
		if got := p.find(id); got != seq {
			t.Errorf("step %s is at %d, not at %d", id, got, seq)
		}
	}
	if p.find(sessionlog.NewStepID()) != 0 || p.find("no id") != 0 {
		t.Error("a step is found that is not there")
	}
}
