package relay

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// reuseWorld is a gated world in which bo approved "restart" on db01 for ana, in an
// incident, and it ran.
type reuseWorld struct {
	*world
	t       *testing.T
	people  map[string]console.Backend
	session sessionlog.SessionID
	id      sessionlog.IncidentID
	link    *fakeLink
	first   sessionlog.StepID
}

func newReuseWorld(t *testing.T, cfg Config) *reuseWorld {
	t.Helper()
	w, people, session, link := gatedWorld(t, cfg)
	x := &reuseWorld{world: w, t: t, people: people, session: session, link: link, id: w.outage(people["ana"], "acme")}
	x.first = x.granted("ana", session, "restart", "bo")
	return x
}

// granted has somebody ask for a step, and others approve it until it runs.
func (x *reuseWorld) granted(who string, session sessionlog.SessionID, command string, by ...string) sessionlog.StepID {
	x.t.Helper()
	step, _ := x.run(x.people[who], session, command)
	x.answer(step, by...)
	x.ends()
	x.await(x.people[who], session, step)
	return step
}

func (x *reuseWorld) answer(step sessionlog.StepID, by ...string) {
	x.t.Helper()
	a := x.held(step)
	for _, name := range by {
		x.do(x.people[name], console.Approve{Session: a.Session, Step: step, Digest: a.Digest})
	}
}

// held returns a step that waits.
func (x *reuseWorld) held(step sessionlog.StepID) console.Approval {
	x.t.Helper()
	for _, a := range x.waits(x.people["root"]) {
		if a.Step == step {
			return a
		}
	}
	x.t.Fatalf("step %s does not wait", step)
	return console.Approval{}
}

// ends has the endpoint run what it was told.
func (x *reuseWorld) ends() {
	(<-x.link.calls).say(Started{PID: 1}, exitOK(""))
}

// deny has somebody ask for a step, and bo say no.
func (x *reuseWorld) deny(who string, session sessionlog.SessionID, command string) {
	x.t.Helper()
	step, _ := x.run(x.people[who], session, command)
	a := x.held(step)
	x.do(x.people["bo"], console.Deny{Session: session, Step: step, Digest: a.Digest, Why: "no"})
	x.await(x.people[who], session, step)
}

// runs asks for a step, and returns whether it runs at once.
func (x *reuseWorld) runs(who string, session sessionlog.SessionID, command string) bool {
	x.t.Helper()
	step, rcpt := x.run(x.people[who], session, command)
	synctest.Wait()
	if len(x.waits(x.people["root"])) > 0 {
		if len(x.link.calls) > 0 {
			x.t.Fatal("the endpoint was told of a step that waits")
		}
		x.do(x.people["root"], console.Cancel{Session: session, Step: step})
		return false
	}
	conv := <-x.link.calls
	conv.say(Started{PID: 1}, exitOK(""))
	evs := x.await(x.people[who], session, step)
	kinds := []sessionlog.Kind{sessionlog.StepRequested, sessionlog.ApprovalRequested, sessionlog.ApprovalReused, sessionlog.StepDispatched, sessionlog.StepStarted, sessionlog.StepEnded}
	for i, ev := range evs {
		if ev.Kind != kinds[i] {
			x.t.Fatalf("event %d of the step is %s", i, ev.Kind)
		}
	}
	if evs[0].Seq != rcpt.Seq {
		x.t.Errorf("the receipt says event %d, not %d", rcpt.Seq, evs[0].Seq)
	}
	again, err := x.people[who].Do(x.t.Context(), console.Run{Session: session, Step: step, Command: command, Timeout: time.Minute})
	if err != nil || again.Seq != rcpt.Seq {
		x.t.Errorf("asked again: %+v, %v", again, err)
	}
	var re sessionlog.Reused
	if err := evs[2].Decode(&re); err != nil || re.Of != x.first {
		x.t.Errorf("reused %+v, %v", re, err)
	}
	return true
}

func TestReuse(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*reuseWorld)
		want      bool
	}{
		"at once":                   {func(*reuseWorld) {}, true},
		"twenty-nine minutes later": {func(*reuseWorld) { pause(29 * time.Minute) }, true},
		"half an hour later":        {func(*reuseWorld) { pause(30*time.Minute + time.Second) }, false},
		"the approver is disabled":  {func(x *reuseWorld) { x.do(x.people["root"], console.DisableTechnician{Name: "bo"}) }, false},
		"the approver is no lead any more": {func(x *reuseWorld) {
			x.do(x.people["root"], console.GrantRole{Name: "bo", Role: console.RoleTechnician, Clients: []string{"acme"}})
		}, false},
		"denied in between": {func(x *reuseWorld) { x.otherwise(); x.deny("ana", x.session, "restart") }, false},
		"denied on another endpoint": {func(x *reuseWorld) {
			db2 := x.enroll("acme", "db02")
			x.attach(db2)
			x.deny("ana", x.open(x.people["ana"], db2), "restart")
		}, false},
		"something else denied":  {func(x *reuseWorld) { x.deny("ana", x.session, "reboot") }, true},
		"the incident is closed": {func(x *reuseWorld) { x.do(x.people["ana"], console.CloseIncident{Incident: x.id}) }, false},
		"another incident":       {func(x *reuseWorld) { x.id = x.outage(x.people["ana"], "acme") }, false},
		"there and back": {func(x *reuseWorld) {
			x.outage(x.people["ana"], "acme")
			x.do(x.people["ana"], console.JoinIncident{Incident: x.id})
		}, true},
		"the policy asks for two": {func(x *reuseWorld) {
			x.do(x.people["root"], console.ApplyPolicy{Text: strings.ReplaceAll(gated, "approvals < 1", "approvals < 2")})
		}, false},
		"reused before": {func(x *reuseWorld) { x.runs("ana", x.session, "restart") }, true},
		"reused, and too old by now": {func(x *reuseWorld) {
			pause(29 * time.Minute)
			x.runs("ana", x.session, "restart")
			pause(2 * time.Minute)
		}, false},
		"a new session": {func(x *reuseWorld) {
			x.do(x.people["ana"], console.Close{Session: x.session})
			x.session = x.open(x.people["ana"], x.db01)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newReuseWorld(t, Config{IdleSeal: time.Hour})
				c.meanwhile(x)
				if got := x.runs("ana", x.session, "restart"); got != c.want {
					t.Errorf("it runs: %v", got)
				}
			})
		})
	}
}

// otherwise takes the incident's grant away for a step, so that one is asked about.
func (x *reuseWorld) otherwise() {
	x.do(x.people["root"], console.DisableTechnician{Name: "bo"})
	step, _ := x.run(x.people["ana"], x.session, "restart")
	x.do(x.people["root"], console.EnableTechnician{Name: "bo"})
	a := x.held(step)
	x.do(x.people["cy"], console.Deny{Session: x.session, Step: step, Digest: a.Digest, Why: "no"})
	x.await(x.people["ana"], x.session, step)
}

func TestReuseOfNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newReuseWorld(t, Config{})
		for _, edited := range []string{"restart ", " restart", "Restart", "restart;reboot"} {
			if x.runs("ana", x.session, edited) {
				t.Errorf("%q ran", edited)
			}
		}
		step := sessionlog.NewStepID()
		x.do(x.people["ana"], console.Run{Session: x.session, Step: step, Command: "restart", Timeout: time.Hour})
		x.held(step)
		x.do(x.people["ana"], console.Cancel{Session: x.session, Step: step})
		synctest.Wait()
		x.do(x.people["di"], console.JoinIncident{Incident: x.id})
		if x.runs("di", x.open(x.people["di"], x.db01), "restart") {
			t.Error("another technician's ran")
		}
		db2 := x.enroll("acme", "db02")
		x.attach(db2)
		if x.runs("ana", x.open(x.people["ana"], db2), "restart") {
			t.Error("one on another endpoint ran")
		}
		over, _ := x.run(x.people["ana"], x.session, "override me")
		x.do(x.people["root"], console.Override{Session: x.session, Step: over, Digest: x.held(over).Digest, Why: "fire"})
		x.ends()
		x.await(x.people["ana"], x.session, over)
		if x.runs("ana", x.session, "override me") {
			t.Error("an override was used again")
		}
	})
}

// Outside of an incident nothing counts again, nor does what was approved outside.
func TestNoReuseWithoutIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, link := gatedWorld(t, Config{})
		x := &reuseWorld{world: w, t: t, people: people, session: session, link: link}
		x.granted("ana", session, "restart", "bo")
		if x.runs("ana", session, "restart") {
			t.Error("it ran")
		}
		asked, _ := x.run(people["ana"], session, "stop")
		w.outage(people["ana"], "acme")
		x.answer(asked, "bo")
		x.ends()
		w.await(people["ana"], session, asked)
		for _, command := range []string{"restart", "stop"} {
			if x.runs("ana", session, command) {
				t.Errorf("%s ran: it was asked for before there was an incident", command)
			}
		}
	})
}

// Two approvals count again together, or not at all.
func TestReuseOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newReuseWorld(t, Config{})
		dc := x.enroll("acme", "dc01")
		x.link = x.attach(dc)
		session := x.open(x.people["ana"], dc)
		x.first = x.granted("ana", session, "restart", "bo", "cy")
		if !x.runs("ana", session, "restart") {
			t.Error("it waits")
		}
		x.do(x.people["root"], console.DisableTechnician{Name: "cy"})
		if x.runs("ana", session, "restart") {
			t.Error("it ran with one")
		}
		x.do(x.people["root"], console.EnableTechnician{Name: "cy"})
		if !x.runs("ana", session, "restart") {
			t.Error("cy may approve again, and it waits")
		}
	})
}

// A relay that starts again knows what the records of open sessions say, and invents
// nothing.
func TestReuseAfterRestart(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*reuseWorld)
		want   bool
	}{
		"nothing else":            {func(*reuseWorld) {}, true},
		"denied in between":       {func(x *reuseWorld) { x.otherwise() }, false},
		"reused before":           {func(x *reuseWorld) { x.runs("ana", x.session, "restart") }, true},
		"too old by then":         {func(*reuseWorld) { pause(31 * time.Minute) }, false},
		"went over":               {func(x *reuseWorld) { x.outage(x.people["ana"], "acme") }, false},
		"the session is sealed":   {func(x *reuseWorld) { x.do(x.people["ana"], console.Close{Session: x.session}) }, false},
		"a record cannot be read": {func(x *reuseWorld) { x.broken() }, false},
		"another one was sealed": {func(x *reuseWorld) {
			db2 := x.enroll("acme", "db02")
			x.attach(db2)
			session := x.open(x.people["ana"], db2)
			x.deny("ana", session, "restart")
			x.do(x.people["ana"], console.Close{Session: session})
		}, false},
		"overridden": {func(x *reuseWorld) {
			x.do(x.people["root"], console.DisableTechnician{Name: "bo"})
			step, _ := x.run(x.people["ana"], x.session, "override me")
			x.do(x.people["root"], console.Override{Session: x.session, Step: step, Digest: x.held(step).Digest, Why: "fire"})
			x.ends()
			x.await(x.people["ana"], x.session, step)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newReuseWorld(t, Config{IdleSeal: time.Hour})
				c.before(x)
				x.relay.Close()
				x.start(Config{IdleSeal: time.Hour})
				x.link = x.attach(x.db01)
				for who := range x.people {
					x.people[who] = x.relay.Console(x.people[who].Self())
				}
				command := "restart"
				if name == "overridden" {
					x.do(x.people["root"], console.EnableTechnician{Name: "bo"})
					command = "override me"
				}
				if got := x.runs("ana", x.open(x.people["ana"], x.db01), command); got != c.want {
					t.Errorf("it runs: %v", got)
				}
			})
		})
	}
}

// broken adds a record that is none.
func (x *reuseWorld) broken() {
	id := sessionlog.NewSessionID()
	log, err := x.records.Create(x.t.Context(), "acme", id)
	if err == nil {
		_, err = sessionlog.Append(x.t.Context(), log, sessionlog.New(sessionlog.NoteAdded, sessionlog.Relay, "", nil))
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// The fleet's log repeats what counted again, and of which step.
func TestReuseIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newReuseWorld(t, Config{})
		x.runs("ana", x.session, "restart")
		synctest.Wait()
		answers := x.answers()
		last := answers[len(answers)-1]
		if last.Answer != sessionlog.ApprovalReused || last.Of != x.first || !slices.Equal(last.By, []string{"bo"}) || last.Session != x.session || last.Client != "acme" {
			t.Errorf("%+v", last)
		}
	})
}
