package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// killPoints is how often each process is killed in mid-stream.
const killPoints = 30

// A victim is a step that writes for about half a second and notes every run.
type victim struct {
	runs string // file with the pid of every run, a line each
	want string // all of its stdout
}

func newVictim(t *testing.T, n int) victim {
	v := victim{runs: filepath.Join(t.TempDir(), fmt.Sprintf("runs%d", n))}
	var b strings.Builder
	for block := range 25 {
		for i := 1; i <= 400; i++ {
			fmt.Fprintf(&b, "%d\n", block*1000+i)
		}
	}
	v.want = b.String()
	return v
}

func (v victim) command() string {
	return fmt.Sprintf("echo $$ >> %s; b=0; while [ $b -lt 25 ]; do seq $((b*1000+1)) $((b*1000+400)); b=$((b+1)); sleep 0.02; done", v.runs)
}

// A stepRecord is what a record says of one step.
type stepRecord struct {
	out   string
	state string
}

// awaitStep waits until the record has the end of the command, and returns it.
// It fails on any output that does not follow what came before.
func awaitStep(t *testing.T, d *deployment, command string) stepRecord {
	t.Helper()
	var rec stepRecord
	eventually(t, "the step's end is recorded", func() bool {
		list, _, code := d.admin.ssh("", "sessions", "--json")
		if code != 0 {
			return false
		}
		var s struct{ ID string }
		if err := json.Unmarshal([]byte(lines(list)[0]), &s); err != nil {
			t.Fatal(err)
		}
		log, _, code := d.admin.ssh("", "log", s.ID, "--json")
		if code != 0 {
			return false
		}
		rec = readStep(t, log, command)
		return rec.state != ""
	})
	return rec
}

func readStep(t *testing.T, log, command string) stepRecord {
	t.Helper()
	var rec stepRecord
	var step string
	for _, line := range lines(log) {
		var ev struct {
			Kind, Step, Stream, Text, Base64, Command, State string
			Offset                                           int
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		switch {
		case ev.Kind == "step.requested" && ev.Command == command:
			step = ev.Step
		case ev.Kind == "step.output" && ev.Step == step && ev.Stream == "stdout":
			raw, err := base64.StdEncoding.DecodeString(ev.Base64)
			if err != nil {
				t.Fatal(err)
			}
			if ev.Offset != len(rec.out) {
				t.Fatalf("output at %d follows %d bytes", ev.Offset, len(rec.out))
			}
			rec.out += ev.Text + string(raw)
		case ev.Kind == "step.ended" && ev.Step == step:
			rec.state = ev.State
		}
	}
	return rec
}

// checkRunOnce reads the pids of the runs: there must be one, and it must be gone.
func (v victim) checkRunOnce(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(v.runs)
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(b))
	if len(pids) != 1 {
		t.Fatalf("the command ran %d times", len(pids))
	}
	pid, err := strconv.Atoi(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the command's process is gone", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}

// begin runs the victim over ssh and returns once it writes.
func (v victim) begin(t *testing.T, d *deployment) (client *process) {
	t.Helper()
	client = start(t, "ssh", d.admin.args("run", "acme/db01", "--", v.command())...)
	eventually(t, "the command runs", func() bool { _, err := os.Stat(v.runs); return err == nil })
	return client
}

func TestKillRelayInMidStream(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	rnd := rand.New(rand.NewPCG(2, 24))
	for n := range killPoints {
		v := newVictim(t, n)
		client := v.begin(t, d)
		<-time.After(time.Duration(rnd.Int64N(int64(600 * time.Millisecond))))
		d.relay.kill()
		client.kill()
		d.startRelay()
		rec := awaitStep(t, d, v.command())
		if rec.state != "ok" || rec.out != v.want {
			t.Fatalf("point %d: the step ended %q with %d bytes, want ok with %d", n, rec.state, len(rec.out), len(v.want))
		}
		v.checkRunOnce(t)
		d.awaitOnline("acme/db01")
	}
	d.verifyOnly(t, killPoints, killPoints)
}

// verifyOnly seals the one session and verifies it: so many of the steps
// that ran are vouched for.
func (d *deployment) verifyOnly(t *testing.T, stated, ran int) {
	t.Helper()
	id := d.onlySession()
	d.admin.must("close", id)
	want := fmt.Sprintf("of %d of %d steps", stated, ran)
	if out := d.admin.must("verify", id); !strings.Contains(out, "whole and unchanged") || !strings.Contains(out, want) {
		t.Errorf("verify says\n%s\nwant %q in it", out, want)
	}
}

func TestKillAgentInMidStream(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	rnd := rand.New(rand.NewPCG(2, 25))
	partial := 0
	for n := range killPoints {
		v := newVictim(t, n)
		client := v.begin(t, d)
		<-time.After(time.Duration(rnd.Int64N(int64(400 * time.Millisecond))))
		d.agents["acme/db01"].kill()
		d.startAgent("acme", "db01")
		rec := awaitStep(t, d, v.command())
		if rec.state != "lost" {
			t.Fatalf("point %d: the step ended %q, want lost", n, rec.state)
		}
		if !strings.HasPrefix(v.want, rec.out) {
			t.Fatalf("point %d: the record is not how the output begins", n)
		}
		if len(rec.out) > 0 {
			partial++
		}
		v.checkRunOnce(t)
		client.kill()
	}
	d.verifyOnly(t, 0, partial) // of what the agent could not end it says nothing
	if partial < killPoints/2 {
		t.Errorf("only %d of %d kills were in mid-stream", partial, killPoints)
	}
}
