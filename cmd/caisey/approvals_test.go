package main

import (
	"regexp"
	"strings"
	"testing"
)

// pastGrace waits until an approval's clock has moved twice: its list has not changed
// for a second.
func (term *terminal) pastGrace() {
	term.t.Helper()
	for range 2 {
		before := waitingFor.FindString(term.screen())
		eventually(term.t, "the clock to move", func() bool { return waitingFor.FindString(term.screen()) != before })
	}
}

var waitingFor = regexp.MustCompile(`WAITING [0-9:]+`)

// TestApproveInTheInterface has one technician wait in a pane, and another one look
// at exactly what waits and approve it.
func TestApproveInTheInterface(t *testing.T) {
	d := deploy(t)
	ana, bo := d.letIn("ana", "technician"), d.letIn("bo", "lead", "acme")
	d.enroll("acme", "db01")
	rules := d.admin.must("policy", "show") + `
@id("db-needs-a-lead")
forbid (principal, action in Action::"run", resource) when { resource.name == "db01" && context.approvals < 1 };`
	if _, stderr, code := d.admin.ssh(rules, "policy", "apply", "-"); code != 0 {
		t.Fatalf("policy apply: exit %d, %s", code, stderr)
	}
	asks, answers := ana.login(80, 24), bo.login(80, 24)
	answers.await("bo's fleet", "CAISEY fleet", "acme/db01")
	asks.await("ana's fleet", "acme/db01")
	asks.keys("Enter")
	asks.await("the pane", "i to type")
	asks.text("iecho it was $((6*7)) restarted")
	asks.keys("Enter")
	asks.await("that she waits", "WAITING", " left", "waits for 1 approval (rule db-needs-a-lead) until", "1 WAITING")
	if screen := asks.screen(); strings.Contains(screen, "waits for you") {
		t.Errorf("her own waits for ana:\n%s", screen)
	}

	answers.await("the count", "1 waits for you: A")
	answers.text("A")
	t.Logf("the list:\n%s", answers.await("the list", "CAISEY approvals", "1 waiting", "acme/db01", "ana", "may", "0/1", "echo it was $((6*7)) restarted"))
	answers.keys("Enter")
	t.Logf("one:\n%s", answers.await("what will run", "command     echo it was $((6*7)) restarted", "asked by    ana", "db-needs-a-lead", "you may approve it", "digest"))
	if screen := asks.screen(); strings.Contains(screen, "it was 42") {
		t.Fatalf("it ran before anybody approved it:\n%s", screen)
	}
	answers.pastGrace()
	answers.text("A")
	answers.await("the question", "ANSWER", "Enter approves exactly this for ana on acme/db01")
	answers.keys("Enter")
	answers.await("that it is approved", "approved for ana on acme/db01", "nothing waits for an answer")
	asks.await("that it runs", "approved by bo", "it was 42 restarted", "exit 0")

	asks.text("reboot")
	asks.keys("Enter")
	answers.await("the next", "1 waits for you", "reboot")
	answers.keys("Enter")
	answers.await("what will run", "command     reboot")
	answers.pastGrace()
	answers.text("D")
	answers.await("the question", "why not:")
	answers.text("not at noon")
	answers.keys("Enter")
	answers.await("that it is denied", "denied to ana on acme/db01")
	asks.await("that it is denied", "denied by bo: not at noon", "refused")
	log := d.admin.must("log", d.onlySession())
	for _, want := range []string{"= waits for 1 approval (rule db-needs-a-lead)", "= approved by bo", "it was 42 restarted", "= denied by bo: not at noon"} {
		if !strings.Contains(log, want) {
			t.Errorf("the record has no %q:\n%s", want, log)
		}
	}
}
