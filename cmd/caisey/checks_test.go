package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// backups makes a directory whose newest file is as old as age.
func backups(t *testing.T, age time.Duration) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "dump.sql")
	if err := os.WriteFile(file, []byte("--\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCheck asks a check of two endpoints in every form that the verb has, and finds what
// it found in the record, where it is signed by the endpoint.
func TestCheck(t *testing.T) {
	d := deploy(t)
	ana := d.letIn("ana", "technician")
	d.enroll("acme", "db01")
	d.enroll("acme", "db02")
	old := "path=" + backups(t, 50*time.Hour)

	out := ana.must("check", "acme/*", "backup.last", old)
	for _, want := range []string{"acme/db01: PRODUCT", "acme/db02: crit: ", "acme/db01: 1 finding"} {
		if !strings.Contains(out, want) {
			t.Errorf("the answer has no %q:\n%s", want, out)
		}
	}
	if out := ana.must("check", "acme/*", "backup.last", old, "age=72h"); strings.Count(out, ": nothing found\n") != 2 {
		t.Errorf("with another threshold:\n%s", out)
	}
	if _, stderr, code := ana.ssh("", "check", "acme/db01", "backup.last", old, "--fail-on", "crit"); code != 1 {
		t.Errorf("--fail-on crit: exit %d, %s", code, stderr)
	}
	if _, stderr, code := ana.ssh("", "check", "acme/db01", "backup.last", old, "--fail-on", "never"); code != 0 {
		t.Errorf("--fail-on crit: exit %d, %s", code, stderr)
	}
	findings := 0
	for line := range strings.Lines(ana.must("check", "acme/db01", "backup.last", old, "--json")) {
		var ev struct {
			Stream string
			Lines  []struct{ Finding *struct{ Param string } }
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, l := range ev.Lines {
			if l.Finding != nil && l.Finding.Param == "age" && ev.Stream == "rows" {
				findings++
			}
		}
	}
	if findings != 1 {
		t.Errorf("%d findings in the events", findings)
	}
	if out := ana.must("check", "acme/*", "backup.last", old, "--csv"); strings.Count(out, "endpoint,product,job") != 2 || !strings.Contains(out, "\nacme/db02,") {
		t.Errorf("as CSV:\n%s", out)
	}
	for _, session := range []string{d.sessionOn("acme/db01"), d.sessionOn("acme/db02")} {
		if out := ana.must("verify", session); !strings.Contains(out, "signed") {
			t.Errorf("verify:\n%s", out)
		}
		if out := ana.must("log", session); !strings.Contains(out, "> backup.last path=") || !strings.Contains(out, "crit: ") {
			t.Errorf("the record:\n%s", out)
		}
	}
	eventually(t, "the index to read the rows", func() bool {
		out, _, _ := ana.ssh("", "search", "dump.sql")
		return strings.Contains(out, "dump.sql")
	})
}

func TestCheckIsRefused(t *testing.T) {
	d := deploy(t)
	ana, vic := d.letIn("ana", "technician"), d.letIn("vic", "viewer")
	d.enroll("acme", "db01")
	for _, c := range []struct {
		who  *technician
		line string
		code int
		want string
	}{
		{ana, "check acme/db01 backup.last", 3, "needs path=…"},
		{ana, "check acme/db01 backup.last path=/x size=3", 3, `has no parameter "size"`},
		{ana, "check acme/db01 no.such", 4, `has no check "no.such"`},
		{ana, "check backup.last", 2, "there is no target"},
		{ana, "check acme/db01", 2, "neither a check nor an @PACK"},
		{ana, "check acme/db01 @none", 2, "there is no pack @none"},
		{ana, "sym none @acme", 4, "there is no symptom"},
		{ana, "pack save x - --client acme", 3, "is not a lead"},
		{vic, "check acme/db01 backup.last path=/x", 3, "is not technician"},
	} {
		_, stderr, code := c.who.ssh("disk.space\n", strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %s", c.line, code, stderr)
		}
	}
	if out := vic.must("check", "--list"); !strings.Contains(out, "backup.last") {
		t.Errorf("a viewer's list:\n%s", out)
	}
	if out := ana.must("check", "backup.last", "--help"); !strings.Contains(out, "path=") || !strings.Contains(out, "(required)") {
		t.Errorf("help:\n%s", out)
	}
}

// TestSymptom asks a symptom of the endpoints that have its roles, saves what found it
// in an incident, and asks that.
func TestSymptom(t *testing.T) {
	d := deploy(t)
	lena := d.letIn("lena", "lead")
	for name, role := range map[string]string{"app01": "app", "db01": "db,file", "x01": ""} {
		d.enroll("acme", name)
		if role != "" {
			d.admin.must("endpoint", "label", "acme/"+name, "role="+role)
		}
	}
	old, fresh := backups(t, 50*time.Hour), backups(t, time.Minute)
	text := fmt.Sprintf("# nothing was saved\napp: backup.last path=%s\ndb: backup.last path=%s\nfile: backup.last path=%s\nweb: svc.failed\n", old, fresh, fresh)
	if _, stderr, code := lena.ssh(text, "pack", "save", "lost", "-", "--client", "acme"); code != 0 {
		t.Fatal(stderr)
	}
	id := strings.TrimSpace(lena.must("incident", "open", "nobody has a backup", "--client", "acme"))
	if plan := lena.must("sym", "lost", "@acme", "--plan"); !strings.Contains(plan, "acme/app01: backup.last\nacme/db01: backup.last\n2 endpoints, 2 reads, 0 probes, 0 changes") {
		t.Errorf("the plan is\n%s", plan)
	}
	out, stderr, code := lena.ssh("", "sym", "lost", "@acme")
	if code != 0 || !strings.Contains(out, "acme/app01 backup.last: 1 finding") || !strings.Contains(out, "acme/db01 backup.last: nothing found") || !strings.Contains(stderr, "0 changes") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
	if out := lena.must("pack", "learn", "lost-again", "--incident", id); !strings.HasSuffix(out, "\napp: backup.last path="+old+"\n") {
		t.Errorf("learned\n%s", out)
	}
	if plan := lena.must("sym", "lost-again", "@acme", "--plan"); !strings.HasPrefix(plan, "acme/app01: backup.last\n1 endpoint, 1 read,") {
		t.Errorf("the plan is\n%s", plan)
	}
	if _, stderr, code := d.admin.ssh("backup.last age=100h\n", "pack", "save", "thresholds", "-"); code != 0 {
		t.Fatal(stderr)
	}
	if out := lena.must("check", "acme/app01", "backup.last", "path="+old); !strings.Contains(out, "nothing found") {
		t.Errorf("with the team's threshold:\n%s", out)
	}
	if out := lena.must("check", "acme/app01", "backup.last", "path="+old, "age=1h"); !strings.Contains(out, "1 finding") {
		t.Errorf("with one's own threshold:\n%s", out)
	}
	if out := lena.must("pack", "ls"); strings.Count(out, "\n") != 3 {
		t.Errorf("packs:\n%s", out)
	}
}
