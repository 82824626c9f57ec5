package main

import (
	"os"
	"strings"
	"testing"
)

// TestCopiedAgent runs an agent and a copy of its directory: both are out once the
// one comes back that was not last, until an admin says so.
func TestCopiedAgent(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	restart := func(dir string) {
		t.Helper()
		if p := d.agents["acme/db01"]; p != nil {
			p.kill()
		}
		d.agents["acme/db01"] = start(t, binary(t, "caisey-agent"), "run", "--data", dir)
	}
	original, copied := d.agentDir("acme", "db01"), d.agentDir("acme", "copy")
	eventually(t, "the agent keeps what it is given", func() bool { _, err := os.Stat(original + "/resume"); return err == nil })
	for range 3 { // however often it dies, one agent is one
		restart(original)
		d.awaitOnline("acme/db01")
		d.admin.must("run", "acme/db01", "--", "true")
	}
	d.agents["acme/db01"].kill()
	if err := os.CopyFS(copied, os.DirFS(original)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied+"/agent.key", 0o600); err != nil {
		t.Fatal(err)
	}
	restart(copied)
	d.awaitOnline("acme/db01")
	d.admin.must("run", "acme/db01", "--", "true")
	d.relay.kill() // it knows even then
	d.startRelay()
	d.awaitOnline("acme/db01")
	restart(original)
	quarantined := func() bool { return strings.Contains(d.admin.must("ls"), "offline,QUARANTINED") }
	eventually(t, "the endpoint is quarantined", quarantined)
	if log := d.admin.must("log", "fleet"); !strings.Contains(log, "endpoint.cloned") {
		t.Errorf("the fleet's log does not tell of it:\n%s", log)
	}
	eventually(t, "the agent is told why", func() bool {
		return strings.Contains(d.agents["acme/db01"].said(), "two machines use the key")
	})
	restart(copied)
	eventually(t, "the copy is told why", func() bool {
		return strings.Contains(d.agents["acme/db01"].said(), "two machines use the key")
	})
	if !quarantined() {
		t.Error("the copy is let in")
	}
	d.admin.must("endpoint", "clear", "acme/db01")
	restart(original)
	d.awaitOnline("acme/db01")
	if out := d.admin.must("run", "acme/db01", "--", "echo back"); out != "back\n" {
		t.Errorf("after it was cleared: %q", out)
	}
}
