package relay

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// TestReuseInterleaved lets people ask for the same again and again, approve, deny, lose
// their role and get it back, open, join and close incidents, restart the relay, and let
// time pass, in any order. Whatever was let go by earlier approvals is held against the
// record and against what the test knows of people and incidents.
func TestReuseInterleaved(t *testing.T) {
	worlds := 60
	if testing.Short() {
		worlds = 6
	}
	reused, held := 0, 0
	for seed := range worlds {
		synctest.Test(t, func(t *testing.T) {
			w, people, _, _ := gatedWorld(t, Config{IdleSeal: 24 * time.Hour})
			dc := w.enroll("acme", "dc02")
			m := &reuseModel{
				world: w, t: t, people: people, dc: dc, rnd: rand.New(rand.NewPCG(uint64(seed), 2)),
				lead: map[string]bool{"bo": true, "cy": true, "root": true}, open: map[sessionlog.IncidentID]bool{},
			}
			m.link = w.attach(dc)
			m.session = w.open(people["ana"], dc)
			for range 40 {
				m.once()
			}
			reused, held = reused+m.reused, held+m.held
		})
	}
	if reused == 0 || held == 0 {
		t.Errorf("%d steps were let go, %d were held: the test tests nothing", reused, held)
	}
	t.Logf("%d steps were let go by earlier approvals, %d were held", reused, held)
}

// A reuseModel is what the test knows.
type reuseModel struct {
	*world
	t            *testing.T
	people       map[string]console.Backend
	session      sessionlog.SessionID
	dc           sessionlog.EndpointID
	link         *fakeLink
	rnd          *rand.Rand
	lead         map[string]bool // who may approve now
	all          []sessionlog.IncidentID
	open         map[sessionlog.IncidentID]bool
	in           sessionlog.IncidentID // that of ana's session
	said         []modelAnswer
	reused, held int
}

// A modelAnswer is an approval of a step that ran by it, or a denial.
type modelAnswer struct {
	step    sessionlog.StepID
	command string
	in      sessionlog.IncidentID
	by      []string // none: a denial
	at      time.Time
}

// once has ana ask for something that was asked for before, others answer, and
// something happen.
func (m *reuseModel) once() {
	m.t.Helper()
	m.happen()
	command := []string{"restart", "reboot"}[m.rnd.IntN(2)]
	step, _ := m.run(m.people["ana"], m.session, command)
	synctest.Wait()
	waits := m.waits(m.people["ana"])
	if len(waits) == 0 {
		m.reused++
		m.ran(step)
		m.check(step, command)
		return
	}
	m.held++
	m.answer(waits[0], command)
}

func (m *reuseModel) ran(step sessionlog.StepID) {
	(<-m.link.calls).say(Started{PID: 1}, exitOK(""))
	m.await(m.people["ana"], m.session, step)
}

// answer has the step approved by two, denied or cancelled.
func (m *reuseModel) answer(a console.Approval, command string) {
	m.t.Helper()
	if m.rnd.IntN(4) > 0 {
		by := []string{"bo", "cy", "root"}
		m.rnd.Shuffle(3, func(i, j int) { by[i], by[j] = by[j], by[i] })
		begun, in, given := time.Now(), m.in, []string{}
		for _, name := range by {
			if !m.lead[name] || len(given) == 2 {
				continue
			}
			m.do(m.people[name], console.Approve{Session: a.Session, Step: a.Step, Digest: a.Digest})
			given = append(given, name)
			if m.rnd.IntN(3) == 0 {
				pause(time.Second)
			}
		}
		if len(given) == 2 {
			m.ran(a.Step)
			m.said = append(m.said, modelAnswer{a.Step, command, in, given, begun})
			return
		}
	}
	if m.lead["cy"] && m.rnd.IntN(3) == 0 {
		pause(time.Second)
		m.do(m.people["cy"], console.Deny{Session: a.Session, Step: a.Step, Digest: a.Digest, Why: "no"})
		m.said = append(m.said, modelAnswer{a.Step, command, m.in, nil, time.Now()})
		pause(time.Second)
	} else {
		m.do(m.people["ana"], console.Cancel{Session: a.Session, Step: a.Step})
	}
	m.await(m.people["ana"], a.Session, a.Step)
}

// happen changes something.
func (m *reuseModel) happen() {
	m.t.Helper()
	switch m.rnd.IntN(12) {
	case 0:
		m.in = m.outage(m.people["ana"], "acme")
		m.all, m.open[m.in] = append(m.all, m.in), true
	case 1:
		if len(m.all) > 0 {
			if to := m.all[m.rnd.IntN(len(m.all))]; m.open[to] {
				m.do(m.people["ana"], console.JoinIncident{Incident: to})
				m.in = to
			}
		}
	case 2:
		if m.open[m.in] && m.rnd.IntN(2) == 0 {
			m.do(m.people["ana"], console.CloseIncident{Incident: m.in})
			m.open[m.in] = false
		}
	case 3, 4:
		who := []string{"bo", "cy"}[m.rnd.IntN(2)]
		role := console.RoleLead
		if m.lead[who] {
			role = console.RoleTechnician
		}
		in := console.GrantRole{Name: who, Role: role}
		if who == "bo" {
			in.Clients = []string{"acme"}
		}
		m.do(m.people["root"], in)
		m.lead[who] = !m.lead[who]
	case 5:
		pause(time.Duration(m.rnd.IntN(20)) * time.Minute) // of the bubble
	case 6:
		if m.rnd.IntN(2) == 0 {
			m.relay.Close()
			m.start(Config{IdleSeal: 24 * time.Hour})
			m.link = m.attach(m.dc)
			for who := range m.people {
				m.people[who] = m.relay.Console(m.people[who].Self())
			}
		}
	case 7:
		if m.rnd.IntN(3) == 0 { // its next session is in the incident that she joined last, if it is open
			m.do(m.people["ana"], console.Close{Session: m.session})
			m.session = m.world.open(m.people["ana"], m.dc)
			if !m.open[m.in] {
				m.in = ""
			}
		}
	}
	synctest.Wait()
}

// check holds a step that was let go against what may let one go.
func (m *reuseModel) check(step sessionlog.StepID, command string) {
	m.t.Helper()
	var re sessionlog.Reused
	for _, ev := range m.await(m.people["ana"], m.session, step) {
		if ev.Kind == sessionlog.ApprovalReused {
			if err := ev.Decode(&re); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	i := slices.IndexFunc(m.said, func(a modelAnswer) bool { return a.step == re.Of })
	if i < 0 {
		m.t.Fatalf("step %s was let go by %q, which nobody approved", step, re.Of)
	}
	of := m.said[i]
	switch {
	case of.command != command || of.by == nil:
		m.t.Fatalf("%q was let go by %+v", command, of)
	case of.in != m.in || !m.open[m.in]:
		m.t.Fatalf("in incident %q, open %v, it was let go by %+v", m.in, m.open[m.in], of)
	case time.Since(of.at) > 30*time.Minute+time.Minute:
		m.t.Fatalf("let go by what was approved %v ago", time.Since(of.at))
	}
	valid := 0
	for _, name := range re.By {
		if slices.Contains(of.by, name) && m.lead[name] {
			valid++
		}
	}
	if valid < 2 || valid != len(re.By) {
		m.t.Fatalf("let go by %v of %v; these may approve now: %v", re.By, of.by, m.lead)
	}
	for _, later := range m.said[i+1:] {
		if later.by == nil && later.command == command {
			m.t.Fatalf("let go by %+v, and denied since: %+v", of, later)
		}
	}
}
