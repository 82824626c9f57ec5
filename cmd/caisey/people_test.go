package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// A said buffer collects what a program writes while it runs.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// begin starts a verb over the real ssh.
func (p *technician) begin(words ...string) (cmd *exec.Cmd, all *said) {
	p.d.t.Helper()
	cmd, all = p.command(words...), new(said)
	cmd.Stdout, cmd.Stderr = all, all
	if err := cmd.Start(); err != nil {
		p.d.t.Fatal(err)
	}
	p.d.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, all
}

// TestGateOverSSH puts a gate before an endpoint: its step waits, alone, until a
// lead says yes to exactly what will run.
func TestGateOverSSH(t *testing.T) {
	d := deploy(t)
	ana, bo := d.letIn("ana", "technician"), d.letIn("bo", "lead", "acme")
	d.enroll("acme", "db01")
	d.enroll("acme", "app01")
	rules := d.admin.must("policy", "show") + `
@id("db-needs-a-lead")
forbid (principal, action in Action::"run", resource) when { resource.name == "db01" && context.approvals < 1 };`
	if _, stderr, code := d.admin.ssh(strings.ReplaceAll(rules, "resource.name", "resource.nme"), "policy", "check", "-"); code != 2 || !strings.Contains(stderr, "nme") {
		t.Errorf("a misspelt rule: exit %d, %s", code, stderr)
	}
	if _, stderr, code := ana.ssh(rules, "policy", "apply", "-"); code != 3 {
		t.Errorf("a technician applies a policy: exit %d, %s", code, stderr)
	}
	if _, stderr, code := d.admin.ssh(rules, "policy", "apply", "-"); code != 0 {
		t.Fatalf("policy apply: exit %d, %s", code, stderr)
	}
	waiting, told := ana.begin("run", "acme/db01", "--reason", "'it hangs'", "--", "echo restarted")
	eventually(t, "ana is told that she waits", func() bool { return strings.Contains(told.String(), "(db-needs-a-lead)") })
	if out := ana.must("run", "acme/app01", "--", "echo free"); out != "free\n" {
		t.Errorf("the endpoint without a gate: %q", out)
	}
	var a struct {
		Step, Command, Reason, Digest string
		May                           bool
	}
	if err := json.Unmarshal([]byte(bo.must("approve", "ls", "--json")), &a); err != nil || !a.May || a.Command != "echo restarted" || a.Reason != "it hangs" {
		t.Fatalf("bo sees %+v, %v", a, err)
	}
	if _, stderr, code := ana.ssh("", "approve", "grant", a.Step); code != 3 || !strings.Contains(stderr, "nobody approves their own") {
		t.Errorf("ana approves her own: exit %d, %s", code, stderr)
	}
	bo.must("approve", "grant", a.Step, "--digest", a.Digest)
	if err := waiting.Wait(); err != nil || !strings.Contains(told.String(), "approved by bo") || !strings.Contains(told.String(), "restarted\n") {
		t.Errorf("ana is told %q, %v", told, err)
	}
	denied, told := ana.begin("run", "acme/db01", "--", "reboot")
	eventually(t, "the next waits", func() bool { return strings.Contains(bo.must("approve", "ls"), "reboot") })
	if err := json.Unmarshal([]byte(bo.must("approve", "ls", "--json")), &a); err != nil {
		t.Fatal(err)
	}
	bo.must("approve", "deny", a.Step, "--why", "'not at noon'")
	if _ = denied.Wait(); denied.ProcessState.ExitCode() != 3 || !strings.Contains(told.String(), "denied by bo: not at noon") {
		t.Errorf("exit %d, ana is told %q", denied.ProcessState.ExitCode(), told)
	}
	fleet := d.admin.must("log", "fleet")
	for _, want := range []string{"policy.applied", "answer=approval.granted", "answer=approval.denied", `why="not at noon"`, "technician:bo"} {
		if !strings.Contains(fleet, want) {
			t.Errorf("the fleet's log has no %s:\n%s", want, fleet)
		}
	}
}

// TestDisabledOverSSH takes somebody's access away while they work.
func TestDisabledOverSSH(t *testing.T) {
	d := deploy(t)
	ana := d.letIn("ana", "technician")
	d.enroll("acme", "db01")
	working, told := ana.begin("run", "acme/db01", "--timeout", "0", "--", "echo begun; sleep 300")
	eventually(t, "the command runs", func() bool { return strings.Contains(told.String(), "begun") })
	d.admin.must("tech", "disable", "ana", "--why", "'has left'")
	if _ = working.Wait(); working.ProcessState.ExitCode() != 3 || !strings.Contains(told.String(), "your access was taken away") {
		t.Errorf("exit %d, ana is told %q", working.ProcessState.ExitCode(), told)
	}
	if _, stderr, code := ana.ssh("", "ls"); code != 255 || !strings.Contains(stderr, "Permission denied") {
		t.Errorf("ana logs in again: exit %d, %s", code, stderr)
	}
	eventually(t, "her session is sealed", func() bool { return strings.Contains(d.admin.must("sessions"), "closed") })
	log := d.admin.must("log", d.onlySession())
	if !strings.Contains(log, "cancelled") || !strings.Contains(log, "the technician may no longer work here") {
		t.Errorf("the record says\n%s", log)
	}
	if out := d.admin.must("tech", "ls"); !strings.Contains(out, "disabled") {
		t.Errorf("tech ls:\n%s", out)
	}
	d.admin.must("tech", "enable", "ana")
	if out := ana.must("run", "acme/db01", "--", "echo back"); out != "back\n" {
		t.Errorf("after enabling: %q", out)
	}
}
