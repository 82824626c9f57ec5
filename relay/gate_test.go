package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
)

const gated = policy.Default + `
@id("db-needs-one")
forbid (principal, action in Action::"run", resource) when { resource.name like "db*" && context.approvals < 1 };
@id("dc-needs-two")
forbid (principal, action in Action::"run", resource) when { resource.name like "dc*" && context.approvals < 2 };
@id("never-format")
forbid (principal, action in Action::"run", resource) when { context.command like "*mkfs*" };
`

// gatedWorld is a staffed world with gates, and people who may answer.
func gatedWorld(t *testing.T, cfg Config) (*world, map[string]console.Backend, sessionlog.SessionID, *fakeLink) {
	t.Helper()
	w, ana, session, link := staffed(t, cfg)
	people := map[string]console.Backend{
		"ana": ana, "root": w.technician("root", console.RoleAdmin), "bo": w.technician("bo", console.RoleLead, "acme"),
		"cy": w.technician("cy", console.RoleLead), "di": w.technician("di", console.RoleTechnician),
		"far": w.technician("far", console.RoleAdmin, "borealis"),
	}
	w.do(people["root"], console.ApplyPolicy{Text: gated})
	return w, people, session, link
}

// waits returns what somebody sees waiting.
func (w *world) waits(b console.Backend) []console.Approval {
	w.t.Helper()
	in, err := b.Inbox(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer in.Close()
	all, err := in.Next(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestGateHoldsItsStepAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, link := gatedWorld(t, Config{})
		app := w.enroll("acme", "app01")
		appLink := w.attach(app)
		step, _ := w.run(people["ana"], session, "systemctl restart erp\t\u202e")
		other := w.open(people["ana"], app)
		free, _ := w.run(people["ana"], other, "true")
		(<-appLink.calls).say(Started{PID: 1}, exitOK(""))
		if end := ended(t, w.await(people["ana"], other, free)); end.State != sessionlog.OK {
			t.Errorf("the step without a gate: %+v", end)
		}
		synctest.Wait()
		select {
		case <-link.calls:
			t.Fatal("the endpoint was told of a step that waits")
		default:
		}
		for name, want := range map[string]struct{ sees, mine, may bool }{
			"ana": {true, true, false}, "bo": {true, false, true}, "cy": {true, false, true},
			"di": {true, false, false}, "far": {},
		} {
			all := w.waits(people[name])
			if (len(all) == 1) != want.sees || want.sees && (all[0].Mine != want.mine || all[0].May != want.may) {
				t.Errorf("%s sees %+v", name, all)
			}
		}
		a := w.waits(people["bo"])[0]
		if a.Command != "systemctl restart erp\t\u202e" || a.Need != 1 || a.By != "ana" || a.Path() != "acme/db01" || !slices.Equal(a.Rules, []string{"db-needs-one"}) {
			t.Errorf("bo is shown %+v", a)
		}
		pause(10 * time.Minute) // of the bubble: the time limit of a minute has not begun
		w.do(people["bo"], console.Approve{Session: session, Step: step, Digest: a.Digest})
		conv := <-link.calls
		if conv.call.Command != a.Command || conv.call.Step != step || fmt.Sprintf("%x", conv.call.Digest) != a.Digest {
			t.Errorf("the endpoint is told %+v", conv.call)
		}
		conv.say(Started{PID: 1}, exitOK(""))
		if end := ended(t, w.await(people["ana"], session, step)); end.State != sessionlog.OK {
			t.Errorf("%+v", end)
		}
		if all := w.waits(people["bo"]); len(all) != 0 {
			t.Errorf("still waiting: %+v", all)
		}
	})
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		who  string
		in   console.Intent
		code console.Code       // of the answer
		end  sessionlog.Outcome // "" means that it still waits
	}{
		"own":                  {"ana", console.Approve{}, console.CodeRefused, ""},
		"a technician":         {"di", console.Approve{}, console.CodeRefused, ""},
		"another client":       {"far", console.Approve{}, console.CodeNotFound, ""},
		"another digest":       {"bo", console.Approve{Digest: strings.Repeat("0", 64)}, console.CodeUsage, ""},
		"denied":               {"bo", console.Deny{Why: "not at noon"}, "", sessionlog.Refused},
		"denied without why":   {"bo", console.Deny{}, console.CodeUsage, ""},
		"denied by technician": {"di", console.Deny{Why: "x"}, console.CodeRefused, ""},
		"overridden":           {"root", console.Override{Why: "the plant burns"}, "", sessionlog.OK},
		"override by lead":     {"bo", console.Override{Why: "x"}, console.CodeRefused, ""},
		"override without why": {"root", console.Override{Why: " "}, console.CodeUsage, ""},
		"cancelled":            {"ana", console.Cancel{}, "", sessionlog.Cancelled},
		"granted":              {"bo", console.Approve{}, "", sessionlog.OK},
		"granted by admin":     {"root", console.Approve{}, "", sessionlog.OK},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, people, session, link := gatedWorld(t, Config{})
				step, _ := w.run(people["ana"], session, "true")
				digest := w.waits(people["ana"])[0].Digest
				var in console.Intent
				switch v := c.in.(type) {
				case console.Approve:
					in = console.Approve{Session: session, Step: step, Digest: or(v.Digest, digest)}
				case console.Deny:
					in = console.Deny{Session: session, Step: step, Digest: digest, Why: v.Why}
				case console.Override:
					in = console.Override{Session: session, Step: step, Digest: digest, Why: v.Why}
				case console.Cancel:
					in = console.Cancel{Session: session, Step: step}
				}
				if _, err := people[c.who].Do(t.Context(), in); codeOf(err) != c.code || c.code == "" && err != nil {
					t.Fatalf("%v, want %q", err, c.code)
				}
				if c.end == sessionlog.OK {
					(<-link.calls).say(Started{PID: 1}, exitOK(""))
				}
				if c.end == "" {
					synctest.Wait()
					if len(w.waits(people["ana"])) != 1 || len(link.calls) != 0 {
						t.Fatal("it does not wait any more")
					}
					return
				}
				if end := ended(t, w.await(people["ana"], session, step)); end.State != c.end {
					t.Errorf("it ended as %+v", end)
				}
				synctest.Wait() // the session has let go of the step, whose end is on disk
				if _, again := people[c.who].Do(t.Context(), in); codeOf(again) != console.CodeUsage {
					t.Errorf("the same answer again: %v", again)
				}
			})
		})
	}
}

func or(s, t string) string {
	if s != "" {
		return s
	}
	return t
}

// What the policy never permits is refused at once, recorded, and names the rule.
func TestRefusedByPolicy(t *testing.T) {
	w, people, session, link := gatedWorld(t, Config{})
	step, _ := w.run(people["ana"], session, "mkfs.ext4 /dev/sda")
	if end := ended(t, w.await(people["ana"], session, step)); end.State != sessionlog.Refused || !strings.Contains(end.Why, "never-format") {
		t.Errorf("%+v", end)
	}
	if len(link.calls) != 0 {
		t.Error("the endpoint was told")
	}
	if _, err := people["root"].Do(t.Context(), console.ApplyPolicy{Text: "permit (principal, action, resource);"}); codeOf(err) != console.CodeUsage {
		t.Errorf("a policy that does not parse: %v", err)
	}
	if _, err := people["far"].Do(t.Context(), console.ApplyPolicy{Text: policy.Default}); codeOf(err) != console.CodeRefused {
		t.Errorf("a policy by an admin of one client: %v", err)
	}
	w.do(people["far"], console.ApplyPolicy{Text: policy.Default, Check: true})
	if _, err := people["bo"].Policy(t.Context()); codeOf(err) != console.CodeRefused {
		t.Errorf("somebody of one client reads the rules of all: %v", err)
	}
	if p, err := people["ana"].Policy(t.Context()); err != nil || p.Text != gated || p.By != "root" {
		t.Errorf("the policy is %+v, %v", p, err)
	}
}

func TestGateExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, _ := gatedWorld(t, Config{ApprovalTTL: time.Hour})
		step, _ := w.run(people["ana"], session, "true")
		a := w.waits(people["bo"])[0]
		if got := a.Expires.Sub(a.Asked).Round(time.Second); got != time.Hour {
			t.Errorf("it expires after %v", got)
		}
		evs := w.await(people["ana"], session, step)
		if end := ended(t, evs); end.State != sessionlog.Refused || evs[len(evs)-2].Kind != sessionlog.ApprovalExpired {
			t.Errorf("%+v after %v", end, evs[len(evs)-2])
		}
		if _, err := people["bo"].Do(t.Context(), console.Approve{Session: session, Step: step, Digest: a.Digest}); codeOf(err) != console.CodeUsage {
			t.Errorf("an approval after the end: %v", err)
		}
	})
}

// A relay that starts again takes the gates up with the approvals they had, and an
// approval counts no longer than its giver may give it.
func TestGateOutlivesItsRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, _, _ := gatedWorld(t, Config{})
		dc := w.enroll("acme", "dc01")
		w.attach(dc)
		session := w.open(people["ana"], dc)
		step, _ := w.run(people["ana"], session, "true")
		digest := w.waits(people["bo"])[0].Digest
		w.do(people["bo"], console.Approve{Session: session, Step: step, Digest: digest})
		w.relay.Close()
		w.start(Config{})
		link := w.attach(dc)
		for name := range people {
			people[name] = w.relay.Console(people[name].Self())
		}
		a := w.waits(people["cy"])
		if len(a) != 1 || !slices.Equal(a[0].Granted, []string{"bo"}) || a[0].Digest != digest {
			t.Fatalf("after the restart there waits %+v", a)
		}
		w.do(people["root"], console.DisableTechnician{Name: "bo"})
		w.do(people["cy"], console.Approve{Session: session, Step: step, Digest: digest})
		synctest.Wait()
		if len(link.calls) != 0 {
			t.Fatal("the approval of somebody who is disabled counts")
		}
		w.do(people["root"], console.Approve{Session: session, Step: step, Digest: digest})
		(<-link.calls).say(Started{PID: 1}, exitOK(""))
		if end := ended(t, w.await(people["ana"], session, step)); end.State != sessionlog.OK {
			t.Errorf("%+v", end)
		}
		if answers := w.answers(); len(answers) != 3 {
			t.Errorf("the fleet's log tells of %d answers", len(answers))
		}
	})
}

// answers returns what the fleet's log tells of answers.
func (w *world) answers() (out []fleet.Answered) {
	w.t.Helper()
	err := sessionlog.Replay(w.t.Context(), w.log, func(ev sessionlog.Event) error {
		if ev.Kind != fleet.ApprovalAnswered {
			return nil
		}
		var a fleet.Answered
		err := ev.Decode(&a)
		out = append(out, a)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// TestGateInterleaved lets people approve, deny, cancel, be disabled and come back,
// endpoints go and come, policies change and time pass, in any order, and holds the
// record against what a model says: nothing runs without as many valid approvals of
// the same bytes as its rule asks for.
func TestGateInterleaved(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 300
	}
	const perWorld = 50
	ran := 0
	for seed := range n / perWorld {
		synctest.Test(t, func(t *testing.T) {
			w, people, _, _ := gatedWorld(t, Config{ApprovalTTL: time.Minute})
			dc := w.enroll("acme", "dc02")
			session := w.open(people["ana"], dc)
			m := &gateModel{w: w, people: people, session: session, dc: dc, rnd: rand.New(rand.NewPCG(uint64(seed), 1)), allowed: map[string]bool{"bo": true, "cy": true, "root": true}}
			for range perWorld {
				ran += m.once()
			}
		})
	}
	if ran == 0 || ran == n {
		t.Errorf("%d of %d steps ran: the test tests nothing", ran, n)
	}
	t.Logf("%d of %d steps ran", ran, n)
}

type gateModel struct {
	w       *world
	people  map[string]console.Backend
	session sessionlog.SessionID
	dc      sessionlog.EndpointID
	link    *fakeLink
	rnd     *rand.Rand
	allowed map[string]bool // who may approve now
}

// once plays one step, and returns 1 if it ran.
func (m *gateModel) once() int {
	t := m.w.t
	t.Helper()
	if m.link == nil {
		m.link = m.w.attach(m.dc)
	}
	ctx := t.Context()
	step, _ := m.w.run(m.people["ana"], m.session, "true")
	var digest string
	for _, a := range m.w.waits(m.people["ana"]) {
		if a.Step == step {
			digest = a.Digest
		}
	}
	given := map[string]bool{} // approvals that were taken
	over, valid := false, false
	for range 2 + m.rnd.IntN(8) {
		who := []string{"bo", "cy", "root", "ana", "di"}[m.rnd.IntN(5)]
		switch m.rnd.IntN(10) {
		case 0, 1, 2, 3:
			d := digest
			if m.rnd.IntN(8) == 0 {
				d = strings.Repeat("f", 64)
			}
			_, err := m.people[who].Do(ctx, console.Approve{Session: m.session, Step: step, Digest: d})
			should := d == digest && m.allowed[who] && !given[who] && !over && !valid
			if (err == nil) != should {
				t.Fatalf("%s approves: %v, the model says %v", who, err, should)
			}
			if err == nil {
				given[who] = true
				valid = m.count(given) >= 2
			}
		case 4:
			if m.rnd.IntN(3) > 0 {
				continue
			}
			_, err := m.people[who].Do(ctx, console.Deny{Session: m.session, Step: step, Digest: digest, Why: "no"})
			over = over || err == nil
		case 5:
			if m.rnd.IntN(3) == 0 && !valid {
				if _, err := m.people["ana"].Do(ctx, console.Cancel{Session: m.session, Step: step}); err == nil {
					synctest.Wait()
					over = true
				}
			}
		case 6:
			if who == "bo" || who == "cy" {
				if m.allowed[who] {
					m.w.do(m.people["root"], console.DisableTechnician{Name: who})
				} else {
					m.w.do(m.people["root"], console.EnableTechnician{Name: who})
				}
				m.allowed[who] = !m.allowed[who]
			}
		case 7:
			if m.link != nil && !valid {
				m.link.lose()
				m.link = nil
			} else if m.link == nil {
				m.link = m.w.attach(m.dc)
			}
		case 8:
			pause(time.Duration(m.rnd.IntN(20)) * time.Second) // of the bubble
			synctest.Wait()
		case 9:
			synctest.Wait()
		}
	}
	return m.finish(step, digest)
}

// count says how many of those who approved may still approve.
func (m *gateModel) count(given map[string]bool) (n int) {
	for who := range given {
		if m.allowed[who] {
			n++
		}
	}
	return n
}

// finish lets the step come to its end, and holds its events against the rules.
func (m *gateModel) finish(step sessionlog.StepID, digest string) int {
	t := m.w.t
	t.Helper()
	synctest.Wait()
	if m.link != nil && len(m.link.calls) > 0 {
		(<-m.link.calls).say(Started{PID: 1}, exitOK(""))
	}
	evs := m.w.await(m.people["ana"], m.session, step) // what nobody answers expires
	granted, dispatched, ends := map[sessionlog.Actor]bool{}, 0, 0
	for _, ev := range evs {
		var a sessionlog.Answer
		switch ev.Kind {
		case sessionlog.ApprovalGranted:
			if err := ev.Decode(&a); err != nil || a.Digest != digest || ev.Actor == "technician:ana" || granted[ev.Actor] {
				t.Fatalf("approval %+v by %s, %v", a, ev.Actor, err)
			}
			granted[ev.Actor] = true
		case sessionlog.StepDispatched:
			if dispatched++; len(granted) < 2 {
				t.Fatalf("dispatched after %d approvals", len(granted))
			}
		case sessionlog.StepStarted:
			if dispatched != 1 {
				t.Fatal("started without being dispatched")
			}
		case sessionlog.StepEnded:
			ends++
		}
	}
	if ends != 1 || dispatched > 1 {
		t.Fatal(errors.New("a step that ends more than once, or is sent more than once"))
	}
	return dispatched
}

// Who said yes may think again while the step still waits.
func TestNoAfterYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, _, _ := gatedWorld(t, Config{})
		dc := w.enroll("acme", "dc01")
		w.attach(dc)
		session := w.open(people["ana"], dc)
		step, _ := w.run(people["ana"], session, "true")
		digest := w.waits(people["bo"])[0].Digest
		w.do(people["bo"], console.Approve{Session: session, Step: step, Digest: digest})
		w.do(people["bo"], console.Deny{Session: session, Step: step, Digest: digest, Why: "I had not seen the rest"})
		if end := ended(t, w.await(people["ana"], session, step)); end.State != sessionlog.Refused {
			t.Errorf("%+v", end)
		}
	})
}

// An approval that comes too late counts for nothing, even where it is there before the
// gate has had its turn to expire.
func TestLateApproval(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			w, people, session, link := gatedWorld(t, Config{ApprovalTTL: time.Minute})
			step, _ := w.run(people["ana"], session, "true")
			digest := w.waits(people["bo"])[0].Digest
			w.relay.mu.Lock()
			s := w.relay.sessions[session]
			w.relay.mu.Unlock()
			s.turn <- struct{}{} // as whoever waits for a slow disk
			pause(59 * time.Second)
			late := make(chan error)
			go func() {
				_, err := people["bo"].Do(t.Context(), console.Approve{Session: session, Step: step, Digest: digest})
				late <- err
			}()
			pause(time.Minute)
			<-s.turn
			if err := <-late; codeOf(err) != console.CodeUsage {
				t.Errorf("%v", err)
			}
			if end := ended(t, w.await(people["ana"], session, step)); end.State != sessionlog.Refused || len(link.calls) > 0 {
				t.Errorf("it ended as %+v", end)
			}
		})
	}
}

// What was approved does not run some day, when an endpoint comes back that went to
// sleep before it was told.
func TestApprovedAndAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, link := gatedWorld(t, Config{})
		step := sessionlog.NewStepID()
		w.do(people["ana"], console.Run{Session: session, Step: step, Command: "reboot"}) // without a time limit
		link.deaf.Store(true)
		w.do(people["bo"], console.Approve{Session: session, Step: step, Digest: w.waits(people["bo"])[0].Digest})
		<-link.refused
		link.lose()
		pause(time.Hour)
		back := w.attach(w.db01)
		if end := ended(t, w.await(people["ana"], session, step)); end.State != sessionlog.Offline {
			t.Errorf("it ended as %+v", end)
		}
		if synctest.Wait(); len(back.calls) > 0 {
			t.Error("it ran an hour later")
		}
	})
}

// What changes nothing is told to nobody.
func TestDirectoryTellsChanges(t *testing.T) {
	d := newDirectory()
	d.update("E1", func(e *console.Endpoint) { e.Name, e.Effects = "db01", []string{"read"} })
	_, _, version, _ := d.since(0)
	d.update("E1", func(e *console.Endpoint) { e.Effects = []string{"read"} })
	if _, _, now, _ := d.since(0); now != version {
		t.Error("every console is woken by what is as it was")
	}
	d.update("E1", func(e *console.Endpoint) { e.Effects = []string{"read", "probe"} })
	if eps, _, _, _ := d.since(version); len(eps) != 1 {
		t.Errorf("told %v", eps)
	}
}

// The clock on the wall decides when it is too late: after the machine slept, long
// before a timer that was set earlier would fire.
func TestGateAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, _ := gatedWorld(t, Config{ApprovalTTL: time.Hour})
		var slept atomic.Bool
		w.relay.wall = func() time.Time {
			if slept.Load() {
				return time.Now().Add(time.Hour)
			}
			return time.Now()
		}
		step, _ := w.run(people["ana"], session, "true")
		a := w.waits(people["bo"])[0]
		pause(30 * time.Second) // of the bubble: it has looked at the clock, and waits
		slept.Store(true)
		if _, err := people["bo"].Do(t.Context(), console.Approve{Session: session, Step: step, Digest: a.Digest}); codeOf(err) != console.CodeUsage {
			t.Errorf("an answer: %v", err)
		}
		begun := time.Now()
		if end := ended(t, w.await(people["ana"], session, step)); end.State != sessionlog.Refused || time.Since(begun) > gateLook {
			t.Errorf("%+v after %v", end, time.Since(begun))
		}
	})
}
