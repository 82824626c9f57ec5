package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A job is one ssh client's command, and what must come back of it.
type job struct {
	who    *technician
	target string
	mark   string
	pauses int // of 100 ms, between lines
}

func (j job) script() string {
	return fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo %s-$i; echo %s-err-$i >&2; i=$((i+1)); sleep 0.1; done", j.pauses, j.mark, j.mark)
}

func (j job) want(infix string) string {
	var b strings.Builder
	for i := range j.pauses {
		fmt.Fprintf(&b, "%s-%s%d\n", j.mark, infix, i)
	}
	return b.String()
}

// TestFourTechnicians is the story: four real ssh clients at once on four
// endpoints, and two of them on one endpoint too. Nobody waits for anybody.
func TestFourTechnicians(t *testing.T) {
	d := deploy(t)
	var people []*technician
	for i, name := range []string{"ana", "bo", "cy", "dee"} {
		people = append(people, d.letIn(name, "technician"))
		d.enroll("acme", fmt.Sprintf("srv%d", i+1))
	}
	var jobs []job
	for i, p := range people {
		jobs = append(jobs, job{p, fmt.Sprintf("acme/srv%d", i+1), p.name + "own", 10 + 2*i})
	}
	jobs = append(jobs, job{people[0], "acme/srv4", "anathere", 8}, job{people[1], "acme/srv4", "bothere", 12})

	type result struct {
		cmd         *exec.Cmd
		out, stderr bytes.Buffer
	}
	results := make([]*result, len(jobs))
	begun := time.Now()
	for i, j := range jobs {
		r := &result{cmd: j.who.command("run", j.target, "--", j.script())}
		r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.stderr
		if err := r.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		results[i] = r
	}
	var sum, slowest time.Duration
	for i, j := range jobs {
		if err := results[i].cmd.Wait(); err != nil {
			t.Errorf("%s on %s: %v: %s", j.who.name, j.target, err, results[i].stderr.String())
		}
		if got, want := results[i].out.String(), j.want(""); got != want {
			t.Errorf("%s on %s: stdout is %q, want %q", j.who.name, j.target, got, want)
		}
		if got, want := results[i].stderr.String(), j.want("err-"); got != want {
			t.Errorf("%s on %s: stderr is %q, want %q", j.who.name, j.target, got, want)
		}
		took := time.Duration(j.pauses) * 100 * time.Millisecond
		sum, slowest = sum+took, max(slowest, took)
	}
	wall := time.Since(begun)
	t.Logf("wall %v, slowest command %v, sum of all %v", wall, slowest, sum)
	if wall > slowest+2*time.Second {
		t.Errorf("wall time %v is not that of the slowest command, %v", wall, slowest)
	}
	for _, j := range jobs {
		checkAttribution(t, d, j)
	}
}

// checkAttribution finds the job in its technician's own record.
func checkAttribution(t *testing.T, d *deployment, j job) {
	t.Helper()
	found := false
	for _, line := range lines(d.admin.must("sessions", "--by", j.who.name, "--json")) {
		var s struct{ ID, Client, Name, By string }
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if s.Client+"/"+s.Name != j.target {
			continue
		}
		for _, line := range lines(d.admin.must("log", s.ID, "--json")) {
			var ev struct {
				Kind, Actor, Command, Key string
			}
			if err := json.Unmarshal([]byte(line), &ev); err != nil {
				t.Fatal(err)
			}
			if ev.Kind == "step.requested" && ev.Command == j.script() {
				found = true
				if ev.Actor != "technician:"+j.who.name || ev.Key != j.who.fingerprint {
					t.Errorf("step of %s is recorded as by %s with key %s", j.who.name, ev.Actor, ev.Key)
				}
			}
		}
	}
	if !found {
		t.Errorf("no record has %s's command on %s", j.who.name, j.target)
	}
}

// TestRecordIsReadableWithoutUs closes a session and reads its file with
// nothing but sqlite3.
func TestRecordIsReadableWithoutUs(t *testing.T) {
	needs(t, "sqlite3", "sqlite3")
	d := deploy(t)
	ana := d.letIn("ana", "technician")
	d.enroll("acme", "db01")
	ana.must("run", "acme/db01", "--", "echo hello; sleep 0.1; echo world")
	var s struct{ ID string }
	if err := json.Unmarshal([]byte(ana.must("sessions", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	ana.must("close", s.ID)
	out, err := exec.Command("sqlite3", filepath.Join(d.data, "sessions", "acme", s.ID+".caisey"), "select * from transcript").CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3: %v: %s", err, out)
	}
	for _, want := range []string{"ana", "echo hello; sleep 0.1; echo world", "|hello\n", "|world\n", "ok, exit 0"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("transcript lacks %q:\n%s", want, out)
		}
	}
}
