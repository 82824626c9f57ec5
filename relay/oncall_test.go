package relay

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
)

const onCallPolicy = gated + `
@id("app-needs-one-or-call")
forbid (principal, action in Action::"run", resource) when { resource.name == "app01" && context.approvals < 1 } unless { principal.onCall };
`

func TestOnCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, _, _ := gatedWorld(t, Config{IdleSeal: 5 * time.Hour})
		w.do(people["root"], console.ApplyPolicy{Text: onCallPolicy})
		app := w.enroll("acme", "app01")
		link := w.attach(app)
		session := w.open(people["bo"], app)
		x := &reuseWorld{world: w, t: t, people: people, session: session, link: link}
		waits := func(when string, want bool) {
			t.Helper()
			step, rcpt := w.run(people["bo"], session, "true")
			synctest.Wait()
			if got := len(w.waits(people["root"])) > 0; got != want {
				t.Errorf("%s it waits: %v", when, got)
			}
			if want {
				w.do(people["root"], console.Cancel{Session: session, Step: step})
				return
			}
			x.ends()
			evs := w.await(people["bo"], session, step)
			var waived sessionlog.Waived
			if evs[1].Kind != sessionlog.ApprovalWaived || evs[2].Kind != sessionlog.StepDispatched || evs[0].Seq != rcpt.Seq {
				t.Fatalf("%v", evs)
			}
			if err := evs[1].Decode(&waived); err != nil || !slices.Equal(waived.Rules, []string{"app-needs-one-or-call"}) || !strings.Contains(waived.Why, "bo is on call for acme until") {
				t.Errorf("%+v, %v", waived, err)
			}
			synctest.Wait()
			if last := w.answers(); last[len(last)-1].Answer != sessionlog.ApprovalWaived || last[len(last)-1].Step != step {
				t.Errorf("the fleet's log: %+v", last)
			}
		}
		waits("without a call", true)
		onCall := console.SetOnCall{Name: "bo", Client: "acme", For: time.Hour}
		for name, in := range map[string]console.SetOnCall{
			"far": onCall, "ana": onCall, "cy": onCall,
		} {
			if _, err := people[name].Do(t.Context(), in); codeOf(err) != console.CodeRefused {
				t.Errorf("%s puts bo on call: %v", name, err)
			}
		}
		for _, in := range []console.SetOnCall{
			{Name: "ana", Client: "acme", For: time.Hour}, {Name: "nobody", Client: "acme", For: time.Hour}, {Name: "bo", Client: "acme", Off: true},
		} {
			if _, err := people["root"].Do(t.Context(), in); codeOf(err) != console.CodeNotFound {
				t.Errorf("%+v: %v", in, err)
			}
		}
		w.do(people["root"], onCall)
		waits("on call", false)
		pause(time.Hour)
		waits("an hour later", true)
		w.do(people["root"], onCall)
		w.do(people["root"], console.GrantRole{Name: "bo", Role: console.RoleTechnician, Clients: []string{"acme"}})
		waits("as no lead", true)
		w.do(people["root"], console.GrantRole{Name: "bo", Role: console.RoleLead, Clients: []string{"acme"}})
		waits("as a lead again", false)
		w.do(people["root"], console.SetOnCall{Name: "bo", Client: "acme", Off: true})
		waits("off call", true)
		// On call, but it counts for nothing: there is no gate.
		w.do(people["root"], onCall)
		w.do(people["root"], console.ApplyPolicy{Text: gated})
		step, _ := w.run(people["bo"], session, "true")
		x.ends()
		if evs := w.await(people["bo"], session, step); evs[1].Kind != sessionlog.StepDispatched {
			t.Errorf("%v", evs)
		}
	})
}

// What the policy has come to refuse, nobody overrides.
func TestOverrideOfARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, link := gatedWorld(t, Config{})
		step, _ := w.run(people["ana"], session, "true")
		override := console.Override{Session: session, Step: step, Digest: w.waits(people["bo"])[0].Digest, Why: "fire"}
		w.do(people["root"], console.ApplyPolicy{Text: gated + `@id("frozen") forbid (principal, action in Action::"run", resource);`})
		if _, err := people["root"].Do(t.Context(), override); codeOf(err) != console.CodeRefused || !strings.Contains(err.Error(), "frozen") {
			t.Errorf("%v", err)
		}
		if synctest.Wait(); len(w.waits(people["bo"])) != 1 || len(link.calls) > 0 {
			t.Error("it does not wait any more")
		}
		w.do(people["root"], console.ApplyPolicy{Text: gated})
		w.do(people["root"], override)
		(<-link.calls).say(Started{PID: 1}, exitOK(""))
		w.await(people["ana"], session, step)
	})
}

// A stuckLog is the fleet's log on a disk that is full until there is space.
type stuckLog struct {
	sessionlog.Log
	space chan struct{}
}

func (l *stuckLog) Submit(ctx context.Context, evs ...sessionlog.Event) (*sessionlog.Commit, error) {
	if evs[0].Kind == fleet.ApprovalAnswered {
		select {
		case <-l.space:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return l.Log.Submit(ctx, evs...)
}

// An answer that is on the session's disk does not wait for the fleet's, and that has it
// in the end.
func TestAnswerDoesNotWaitForTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, _ := gatedWorld(t, Config{})
		w.relay.Close()
		stuck := &stuckLog{Log: w.log, space: make(chan struct{})}
		var err error
		if w.fleet, err = fleet.Open(t.Context(), stuck, fleet.Config{}); err != nil {
			t.Fatal(err)
		}
		w.start(Config{})
		link := w.attach(w.db01)
		ana, bo := w.relay.Console(people["ana"].Self()), w.relay.Console(people["bo"].Self())
		for range 3 {
			step, _ := w.run(ana, session, "true")
			begun := time.Now()
			w.do(bo, console.Approve{Session: session, Step: step, Digest: w.waits(bo)[0].Digest})
			if waited := time.Since(begun); waited > repeatWait {
				t.Errorf("the answer took %v", waited)
			}
			(<-link.calls).say(Started{PID: 1}, exitOK(""))
			w.await(ana, session, step)
		}
		if got := w.answers(); len(got) != 0 {
			t.Fatalf("%+v", got)
		}
		close(stuck.space)
		synctest.Wait()
		if got := w.answers(); len(got) != 3 {
			t.Errorf("the fleet's log has %+v", got)
		}
		w.relay.Close()
		if w.relay.repeats.add(repeat{}) {
			t.Error("a relay that has stopped takes what it will not repeat")
		}
	})
}
