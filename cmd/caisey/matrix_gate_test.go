package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A heldStep is a step that somebody asked for over SSH, and waits for.
type heldStep struct {
	asker   *matrixPerson
	session sessionlog.SessionID
	step    sessionlog.StepID
	marker  string // what it prints
	sess    *ssh.Session
	out     *said
	told    *said
	done    chan struct{} // closed once the asker has an exit code
}

// gates tries every cell of the table's second part, and returns how many there are.
func (w *matrixWorld) gates(t *testing.T, m matrix) int {
	late := newMatrixWorld(t, 50*time.Millisecond, "acme/gate01")
	late.admit(m)
	cells := 0
	for _, row := range m.gates {
		if len(row.cells) != len(m.people)-1 { // none for who is suspended from the start
			t.Fatalf("testdata/matrix.txt:%d: there are %d cells", row.line, len(row.cells))
		}
		for i, sign := range row.cells {
			if sign == '.' {
				continue
			}
			world := w
			if strings.Contains(row.ask, "too late") {
				world = late
			}
			if got := world.gate(row.ask, m.people[i], byte(sign)); got != byte(sign) {
				t.Errorf("testdata/matrix.txt:%d: %s asks, %s: it ends as %q, want %q", row.line, m.people[i], row.ask, got, sign)
			}
			cells++
		}
	}
	return cells
}

// gate has somebody ask for a step at a gate and others answer. It returns the sign
// of what became of it; want says whether to wait for its end.
func (w *matrixWorld) gate(ask, asker string, want byte) byte {
	w.t.Helper()
	place, acts, _ := strings.Cut(ask, ": ")
	h := w.hold(w.people[asker], place)
	defer w.restore(h, acts)
	if acts != "" {
		for _, act := range strings.Split(acts, "; ") {
			h.act(act)
		}
	}
	if want != 'w' {
		eventually(w.t, "the step ends: "+ask, func() bool { return w.ended(h.session, h.step) })
	}
	return h.sign()
}

// askedFor is what stderr says of a step that waits.
var askedFor = regexp.MustCompile("approve grant ([0-9A-Z]{26})")

// hold has somebody ask for a step on an endpoint of acme that has a gate.
func (w *matrixWorld) hold(p *matrixPerson, place string) *heldStep {
	w.t.Helper()
	h := &heldStep{asker: p, marker: w.fresh(), sess: p.session(), out: new(said), told: new(said), done: make(chan struct{})}
	h.sess.Stdout, h.sess.Stderr = h.out, h.told
	if err := h.sess.Start("run acme/" + place + " -- echo " + h.marker); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(h.done)
		_ = h.sess.Wait() // the record says how it ended
	}()
	eventually(w.t, p.name+" is told that the step waits", func() bool {
		found := askedFor.FindStringSubmatch(h.told.String())
		if found != nil {
			h.step = sessionlog.StepID(found[1])
		}
		return found != nil
	})
	for _, s := range w.sessions() { // the newest first
		if s.Technician == p.name && s.Path() == "acme/"+place && h.session == "" {
			h.session = s.ID
		}
	}
	return h
}

// act does what one of the words after the colon says.
func (h *heldStep) act(act string) {
	w := h.asker.w
	w.t.Helper()
	words := strings.Fields(act)
	switch act {
	case "too late":
		eventually(w.t, "it is too late", func() bool { return w.ended(h.session, h.step) })
		return
	case "policy forbids":
		w.do(w.root, console.ApplyPolicy{Text: freezePolicy})
		return
	}
	p := h.asker
	if words[0] != "self" {
		p = w.people[words[0]]
	}
	line := ""
	switch strings.Join(words[1:], " ") {
	case "grants":
		line = "approve grant " + string(h.step)
	case "grants other digest":
		line = "approve grant " + string(h.step) + " --digest " + strings.Repeat("0", 64)
	case "denies":
		line = "approve deny " + string(h.step) + " --why no"
	case "overrides":
		line = "approve override " + string(h.step) + " --why fire"
	case "suspended":
		w.do(w.root, console.DisableTechnician{Name: p.name})
		p.conn = nil // it is cut
		return
	case "demoted":
		w.grant(p, console.RoleViewer)
		return
	default:
		w.t.Fatalf("%q is nothing that anybody does at a gate", act)
	}
	if t, _ := w.s.catalogue.Technician(p.name); t.Disabled {
		if conn, err := p.dial(); err == nil {
			conn.Close()
			w.t.Errorf("%s is suspended and logs in", p.name)
		}
		return
	}
	p.askSSH(line, "")
}

// grant gives somebody a role wherever they have one; none is that of the table.
func (w *matrixWorld) grant(p *matrixPerson, role console.Role) {
	w.t.Helper()
	for client, own := range p.grants {
		in := console.GrantRole{Name: p.name, Role: role}
		if role == "" {
			in.Role = console.Role(own)
		}
		if client != "*" {
			in.Clients = []string{client}
		}
		w.do(w.root, in)
	}
}

// sign returns what became of the step.
func (h *heldStep) sign() byte {
	w := h.asker.w
	w.t.Helper()
	evs := h.asker.w.stepEvents(h.session, h.step)
	sent, end := evs[sessionlog.StepDispatched] != nil, evs[sessionlog.StepEnded]
	if end == nil {
		if sent {
			return 'd' // no sign of the table: the endpoint was told
		}
		return 'w'
	}
	var body sessionlog.Ended
	if err := end.Decode(&body); err != nil {
		w.t.Fatal(err)
	}
	switch {
	case sent && body.State == sessionlog.OK:
		<-h.done
		if !strings.Contains(h.out.String(), h.marker+"\n") {
			return 'n' // no sign of the table: nobody was shown what it printed
		}
		return 'o'
	case sent:
		return 'd'
	case body.State == sessionlog.Refused:
		return 'x'
	case body.State == sessionlog.Cancelled:
		return 'c'
	}
	return '?'
}

// restore ends the step, and takes back what was done to people and the policy.
func (w *matrixWorld) restore(h *heldStep, acts string) {
	w.t.Helper()
	if !w.ended(h.session, h.step) {
		w.do(w.root, console.Cancel{Session: h.session, Step: h.step})
	}
	<-h.done
	for _, act := range strings.Split(acts, "; ") {
		name, did, _ := strings.Cut(act, " ")
		p := w.people[name]
		if name == "self" {
			p = h.asker
		}
		switch did {
		case "suspended":
			w.do(w.root, console.EnableTechnician{Name: p.name})
		case "demoted":
			w.grant(p, "")
		case "forbids":
			w.do(w.root, console.ApplyPolicy{Text: gatesPolicy})
		}
	}
}
