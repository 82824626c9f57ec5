package main

import "testing"

// TestFindOverSSH finds what a command printed, from within the interface, and
// replays the record from there.
func TestFindOverSSH(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	d.enroll("borealis", "web01")
	ana := d.letIn("ana", "technician", "acme")
	d.letIn("eve", "technician", "borealis").must("run", "borealis/web01", "--", "echo zk-7731-quorum of another client")
	ana.must("run", "acme/db01", "--", "echo before; echo lost zk-7731-quorum at node 4; echo after")
	ana.must("run", "acme/db01", "--", "echo something else")
	eventually(t, "the index to read the records", func() bool {
		out, _, _ := d.admin.ssh("", "search", "zk-7731-quorum")
		return len(lines(out)) == 4 // a command and its output in each record
	})

	term := ana.login(80, 24)
	term.await("the endpoint", "acme/db01")
	term.keys("C-f")
	term.await("the search", "CAISEY find", "type 2 characters or more")
	term.text("by:ana zk-7731-q")
	term.await("the hits", "2 hits", "[by ana]", "stdout", "lost zk-7731-quorum at node 4", "command")
	term.keys("Enter")
	term.await("the replay at the hit", "REPLAY", "acme/db01", "lost zk-7731-quorum at node 4", "READ ONLY")
	term.keys("q")
	term.await("the hits again", "CAISEY find", "2 hits")
	term.tmux("resize-window", "-x", "50", "-y", "10")
	term.await("the hits in little room", "CAISEY find", "2 hits", " > ")
	term.keys("C-u")
	term.text("quorum of another")
	term.await("nothing of another client", "nothing found")
	term.keys("Escape")
	term.await("the fleet", "CAISEY fleet", "acme/db01")
}
