package main

import (
	"fmt"
	"strings"
	"testing"
)

// login opens the interface in a terminal, through the real ssh.
func (p *technician) login(width, height int) *terminal {
	p.d.t.Helper()
	var line strings.Builder
	line.WriteString("exec ssh -tt")
	for _, arg := range p.args() {
		line.WriteString(" " + quote(arg))
	}
	term := newTerminal(p.d.t, width, height, line.String())
	term.await("the fleet", "CAISEY fleet")
	return term
}

// TestWorkspaceOverSSH is a technician's evening: find endpoints, open three
// panes, run something else in each, watch all three, lose the connection in the
// middle, come back, see it all, and replay it.
func TestWorkspaceOverSSH(t *testing.T) {
	d := deploy(t)
	for _, name := range []string{"app01", "db01", "dc01"} {
		d.enroll("acme", name)
	}
	d.enroll("borealis", "web01")
	ana := d.letIn("ana", "technician")
	term := ana.login(120, 40)
	term.await("all endpoints", "acme/app01", "acme/db01", "acme/dc01", "borealis/web01")

	term.keys("/")
	term.text("db01")
	term.await("the filter narrows", "1 of 4 shown")
	if s := term.screen(); strings.Contains(s, "acme/app01") || !strings.Contains(s, "acme/db01") {
		t.Errorf("filter shows:\n%s", s)
	}
	term.keys("C-u")
	term.text("acme")
	term.await("three endpoints", "3 of 4 shown")
	term.keys("Enter", "Space", "Space", "Space", "Enter")
	term.await("three panes", "1 acme/app01", "2 acme/db01", "3 acme/dc01")

	// One of the three outlives the connection.
	for i, turns := range []int{120, 8, 8} {
		term.keys(fmt.Sprint(i+1), "i")
		term.text(fmt.Sprintf("for i in $(seq %d); do echo pane%d-$i; sleep 0.1; done", turns, i+1))
		term.keys("Enter", "Escape")
		term.await("the prompt is left", "NORMAL") // Esc and a key at once are Alt and that key
	}
	term.await("all three stream", "pane1-2", "pane2-2", "pane3-2")
	term.await("the shorter ones end", "pane2-8", "pane3-8", "exit 0")
	term.tmux("kill-server")
	eventually(t, "the connection is gone", func() bool {
		return !strings.Contains(d.admin.must("ls", "acme/app01", "--json"), `"on":["ana"]`)
	})

	term = ana.login(120, 40)
	term.keys("/")
	term.text("app01")
	term.await("the filter narrows", "1 of 4 shown")
	term.keys("Enter", "Enter")
	term.await("the command goes on", "1 acme/app01", "RUNNING", "pane1-")
	term.await("the command ends", "pane1-120", "exit 0")
	term.keys("g", "g")
	term.await("the whole output is there", "pane1-1", "pane1-2", "pane1-3")

	ana.must("close", d.sessionOn("acme/app01"))
	term.keys("g", "r")
	term.await("the recordings", "CAISEY recordings", "SEALED")
	term.keys("/")
	term.text("app01")
	term.keys("Enter", "Enter")
	term.await("the replay", "REPLAY", "READ ONLY", "acme/app01")
	term.keys("G")
	term.await("the replay's end", "pane1-120", "END", "session closed")
	term.keys("0")
	term.await("the replay's beginning", "00:00 of")
	term.keys("Space")
	term.await("the replay plays", "PLAY", "pane1-1")
}
