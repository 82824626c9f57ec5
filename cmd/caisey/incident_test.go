package main

import (
	"strings"
	"testing"
)

// TestIncident has a lead approve something once in an incident, and a technician run it
// twice; then the lead is on call, and runs it without anybody's yes.
func TestIncident(t *testing.T) {
	d := deploy(t)
	ana, bo := d.letIn("ana", "technician"), d.letIn("bo", "lead", "acme")
	d.enroll("acme", "db01")
	rules := d.admin.must("policy", "show") + `
@id("needs-a-lead")
forbid (principal, action in Action::"run", resource) when { context.approvals < 1 } unless { principal.onCall };`
	if _, stderr, code := d.admin.ssh(rules, "policy", "apply", "-"); code != 0 {
		t.Fatalf("policy apply: exit %d, %s", code, stderr)
	}
	id := strings.TrimSpace(ana.must("incident", "open", "the shop is down", "--client", "acme"))
	ran := make(chan string)
	go func() {
		out, _, _ := ana.ssh("", "run", "acme/db01", "--", "echo zebra-$((40+2))")
		ran <- out
	}()
	step := ""
	eventually(t, "the step to wait", func() bool {
		out, _, _ := bo.ssh("", "approve", "ls")
		step, _, _ = strings.Cut(out, " ")
		return len(step) == 26
	})
	bo.must("approve", "grant", step)
	if out := <-ran; out != "zebra-42\n" {
		t.Fatalf("what was approved prints %q", out)
	}
	if out := ana.must("run", "acme/db01", "--", "echo zebra-$((40+2))"); out != "zebra-42\n" {
		t.Errorf("again it prints %q", out)
	}
	session := d.onlySession()
	log := ana.must("log", session)
	for _, want := range []string{"in incident " + id + ": the shop is down", "= approved by bo\n", "= approved by bo as step " + step} {
		_, rest, ok := strings.Cut(log, want)
		if !ok {
			t.Fatalf("the record has no %q where it should:\n%s", want, log)
		}
		log = rest
	}
	other := strings.TrimSpace(d.admin.must("incident", "open", "another", "--client", "acme"))
	eventually(t, "the index to read the record", func() bool {
		out, _, _ := ana.ssh("", "search", "zebra", "--incident", id)
		return strings.Contains(out, session)
	})
	if out := ana.must("search", "zebra", "--incident", other); out != "" {
		t.Errorf("in another incident there is %q", out)
	}
	if out := ana.must("incident", "show", id); !strings.Contains(out, session) || !strings.Contains(out, "people    ana\n") {
		t.Errorf("the incident is\n%s", out)
	}
	bo.must("incident", "close", id)
	d.admin.must("tech", "oncall", "bo", "--client", "acme", "--for", "1h")
	if out := bo.must("run", "acme/db01", "--", "echo on call"); out != "on call\n" {
		t.Errorf("on call it prints %q", out)
	}
	if log := d.admin.must("log", "fleet"); !strings.Contains(log, "answer=approval.reused by=[\"bo\"]") || !strings.Contains(log, "answer=approval.waived") {
		t.Errorf("the fleet's log:\n%s", log)
	}
}
