package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// TestOnSystemd asks a systemd that was booted for it.
func TestOnSystemd(t *testing.T) {
	c := boot(t)
	for _, one := range []struct {
		name string
		test func(*testing.T, container)
	}{
		{"status", testStatus},
		{"statusOfAll", testStatusOfAll},
		{"inside", testInside},
		{"failed", testFailed},
		{"restart", testRestart},
		{"restartFails", testRestartFails},
		{"restartRefused", testRestartRefused},
		{"errors", testErrors},
		{"watch", testWatch},
		{"auth", testAuth},
		{"tasks", testTasks},
		{"noTimeService", testNoTimeService},
		{"timesync", testTimesync},
		{"noResolved", testNoResolved},
	} {
		t.Run(one.name, func(t *testing.T) { one.test(t, c) })
	}
}

func testStatus(t *testing.T, c container) {
	a := checktest.Ask(t, svcStatus(c.bus().services), "name", "good,once")
	if got := a.Column(t, "", "state"); !slices.Equal(got, []string{"running", "stopped"}) {
		t.Errorf("states %v", got)
	}
	if got := a.Column(t, "", "user")[0]; got != "nobody" {
		t.Errorf("good.service runs as %s", got)
	}
	if pid := a.Column(t, "", "pid")[0]; pid == "-" {
		t.Error("a service that runs has no process")
	}
	if f := a.Finding(t, "warn"); !strings.Contains(f.Text, "once.service does not run") {
		t.Errorf("finding %q: one that was asked for by name does not run", f.Text)
	}
	checktest.Ask(t, svcStatus(c.bus().services), "name", "good").Fine(t)

	a = checktest.Ask(t, svcStatus(c.bus().services), "name", "bad,nothing,down")
	want := []string{
		"bad.service has failed: exit-code, exit 3, 0 restarts",
		"there is no service nothing.service",
		"down.service should run and does not",
	}
	for i, f := range a.Findings {
		if !strings.HasPrefix(f.Text, strings.TrimSuffix(want[i], ", 0 restarts")) || f.Severity != check.Crit {
			t.Errorf("finding %d is %s %q, want %q", i, f.Severity, f.Text, want[i])
		}
	}
	if len(a.Findings) != len(want) || !strings.Contains(string(a.Raw), `"Id":"bad.service"`) {
		t.Errorf("%d findings, raw %s", len(a.Findings), a.Raw)
	}
}

func testStatusOfAll(t *testing.T, c container) {
	a := checktest.Ask(t, svcStatus(c.bus().services))
	names := a.Column(t, "", "name")
	for _, want := range []string{"good.service", "bad.service", "systemd-journald.service"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %d services", want, len(names))
		}
	}
	about := map[string]bool{}
	for _, f := range a.Findings {
		name, _, _ := strings.Cut(f.Text, " ")
		about[name] = true
	}
	if !about["bad.service"] || !about["down.service"] || about["once.service"] || about["good.service"] {
		t.Errorf("findings about %v: a service that runs once and ended well is none", about)
	}
}

// insideEnv has the test's program be an agent inside the container: it asks the
// checks that it names, as they are in All.
const insideEnv = "CAISEY_TEST_INSIDE"

func TestMain(m *testing.M) {
	if names := os.Getenv(insideEnv); names != "" {
		for _, c := range All() {
			if !slices.Contains(strings.Split(names, ","), c.Name) {
				continue
			}
			err := c.Do(context.Background(), nil, check.Secrets{}, func(s sessionlog.Stream, data []byte) error {
				if s != sessionlog.RowStream {
					return nil
				}
				_, err := os.Stdout.Write(data)
				return err
			})
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// asks runs the test's program as an agent in the container.
func (c container) asks(t *testing.T, names string, before ...string) string {
	t.Helper()
	args := slices.Concat([]string{"-t", strconv.Itoa(c.init), "-a", "/usr/bin/env", insideEnv + "=" + names}, before, []string{"/agent"})
	out, err := exec.Command("nsenter", args...).CombinedOutput()
	if err != nil {
		t.Errorf("the agent in the container: %v\n%s", err, out)
	}
	return string(out)
}

// testInside asks as the agent does, with nothing told to the checks of where to look:
// over the bus, over systemd's own socket where there is no bus, and as a user who has
// no right to the journal.
func testInside(t *testing.T, c container) {
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(c.root+"/agent", self, 0o755))
	for name, out := range map[string]string{
		"bus":    c.asks(t, "svc.status,svc.failed,log.errors,task.recent"),
		"socket": c.asks(t, "svc.status,svc.failed,log.errors,task.recent", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere"),
	} {
		for _, want := range []string{`"good.service","One that runs","running"`, "bad.service has failed: exit-code, exit 3", "errors in 24 h", `"job.service","timer"`} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not told\n%s", name, want, out)
			}
		}
		if strings.Contains(out, "cannot_tell") {
			t.Errorf("%s: %s", name, out)
		}
	}
	out := c.asks(t, "svc.status,log.errors,auth.fail,tls.store", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
	if !strings.Contains(out, `"good.service","One that runs","running"`) ||
		strings.Count(out, `"cannot_tell","why":"the agent may not read the journal: put its user into the group systemd-journal"`) != 2 ||
		!strings.Contains(out, "the agent may not read /etc/ssl/private: certificates there are not seen") {
		t.Errorf("as nobody: %s", out)
	}
}

func testFailed(t *testing.T, c container) {
	var a checktest.Answer
	poll(t, 30*time.Second, func() (bool, string) {
		a = checktest.Ask(t, svcFailed(c.bus().failures))
		return slices.ContainsFunc(a.Findings, func(f check.Finding) bool { return f.Param == "restarts" }), a.Verdict()
	})
	f := a.Finding(t, "restarts")
	if !strings.HasPrefix(f.Text, "flap.service was started again ") {
		t.Errorf("finding %q", f.Text)
	}
	names := a.Column(t, "", "name")
	if i := slices.Index(names, "bad.service"); i < 0 || a.Column(t, "", "exit")[i] != "3" {
		t.Errorf("failed are %v", names)
	}
}

func testRestart(t *testing.T, c container) {
	a := checktest.Ask(t, svcRestart(c.bus().restarter()), "name", "good", "settle", "100ms")
	a.Fine(t)
	before, after := a.Column(t, "before", "pid"), a.Column(t, "after", "pid")
	if before[0] == after[0] || after[0] == "-" || a.Column(t, "after", "state")[0] != "running" {
		t.Errorf("process %v before and %v after", before, after)
	}
}

func testRestartFails(t *testing.T, c container) {
	must(t, os.WriteFile(c.inside("/run/broken"), nil, 0o644))
	a := checktest.Ask(t, svcRestart(c.bus().restarter()), "name", "brittle", "settle", "1s")
	f := a.Finding(t, "crit")
	if f.Table != "after" || !strings.Contains(f.Text, "exit-code, exit 7") {
		t.Errorf("finding %+v", f)
	}
	if a.Column(t, "before", "state")[0] != "running" || a.Column(t, "after", "state")[0] != "failed" {
		t.Errorf("tables %+v", a.Tables)
	}
}

func testRestartRefused(t *testing.T, c container) {
	for name, want := range map[string]string{"masked": "masked", "nothing": "no service nothing.service"} {
		a := checktest.Ask(t, svcRestart(c.bus().restarter()), "name", name)
		if why := a.CannotTell(t); !strings.Contains(why, want) || !strings.Contains(why, "nothing was changed") {
			t.Errorf("%s: %s", name, why)
		}
	}
}

func testErrors(t *testing.T, c container) {
	c.log(t, "caisey-test", "err", "the disk is on fire")
	c.log(t, "caisey-test", "crit", "the house is too")
	c.log(t, "caisey-test", "info", "all is well")
	var a checktest.Answer
	poll(t, 10*time.Second, func() (bool, string) {
		a = checktest.Ask(t, logErrors(c.bus().logErrors), "n", "2000")
		return slices.Contains(a.Column(t, "", "message"), "the house is too"), a.Verdict()
	})
	messages := a.Column(t, "", "message")
	i := slices.Index(messages, "the disk is on fire")
	if i < 0 || slices.Contains(messages, "all is well") {
		t.Fatalf("messages %q", messages)
	}
	if a.Column(t, "", "level")[i] != "error" || a.Column(t, "", "record")[i] == "-" || a.Column(t, "", "time")[i] == "-" {
		t.Errorf("row %v", a.Tables[0].Rows[i])
	}
	if f := a.Finding(t, "crit"); len(f.Rows) == 0 {
		t.Errorf("finding %+v", f)
	}
	if f := a.Finding(t, "info"); f.Value == nil || !strings.Contains(f.Text, "errors in 24 h") {
		t.Errorf("finding %+v", f)
	}
	a = checktest.Ask(t, logErrors(c.bus().logErrors), "unit", "good")
	a.Fine(t)
	a = checktest.Ask(t, logErrors(c.bus().logErrors), "unit", "bad", "level", "info")
	if len(a.Column(t, "", "source")) == 0 {
		t.Error("nothing of bad.service")
	}
	for _, s := range a.Column(t, "", "source") {
		if s != "bad.service" {
			t.Errorf("source %s, asked for bad.service", s)
		}
	}
}

// log writes to the container's journal as a program there does.
func (c container) log(t *testing.T, as, level, message string) {
	t.Helper()
	// systemd-cat writes to the journal's socket of where it runs.
	cmd := exec.Command("nsenter", "-t", strconv.Itoa(c.init), "-a", "/bin/sh", "-c",
		`printf '%s\n' "$2" | /usr/bin/systemd-cat -t "$0" -p "$1"`, as, level, message)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("write to the journal: %v\n%s", err, out)
	}
}

var errStop = errors.New("the test has seen enough")

// watching asks a live check, writes until it has told a finding, ends it, and returns
// what it told.
func watching(t *testing.T, w check.Check, args map[string]string, write func(n int)) shape.Result {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(errStop)
	var r shape.Result
	found, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- w.Do(ctx, args, check.Secrets{}, func(s sessionlog.Stream, data []byte) error {
			if s != sessionlog.RowStream {
				return nil
			}
			r.Add(data)
			if len(r.Findings) == 1 && found != nil {
				close(found)
				found = nil
			}
			return nil
		})
	}()
	// What is written before the watch looks is not told, so more is written until it is.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	signal := found
	for n := range 400 {
		write(n)
		select {
		case <-signal:
			cancel(errStop)
			if err := <-ended; err != nil {
				t.Errorf("a watch that was ended returns %v", err)
			}
			return r
		case err := <-ended:
			t.Fatalf("the watch ended by itself: %v, %+v", err, r.End)
		case <-tick.C:
		}
	}
	t.Fatal("the watch tells nothing")
	return r
}

func testWatch(t *testing.T, c container) {
	r := watching(t, c.bus().logWatch(), map[string]string{"level": "info", "match": "fire [0-9]+"}, func(n int) {
		c.log(t, "caisey-watch", "err", "fire "+strconv.Itoa(n))
	})
	if r.Bad > 0 || r.End == nil || !strings.Contains(r.Findings[0].Text, "caisey-watch") || len(r.Findings[0].Rows) != 1 {
		t.Errorf("%d bad lines, end %+v, findings %+v", r.Bad, r.End, r.Findings)
	}
}

func testAuth(t *testing.T, c container) {
	m := c.bus()
	m.tallies = t.TempDir()
	checktest.Ask(t, m.authFail()).Fine(t)
	for _, line := range []string{
		"Failed password for root from 192.0.2.7 port 5022 ssh2",
		"Failed password for invalid user admin from 192.0.2.7 port 5023 ssh2",
		"Failed password for invalid user admin from 192.0.2.7 port 5023 ssh2",
		"Accepted publickey for root from 192.0.2.8 port 1 ssh2",
	} {
		c.log(t, "sshd", "info", line)
	}
	var a checktest.Answer
	poll(t, 10*time.Second, func() (bool, string) {
		a = checktest.Ask(t, m.authFail(), "fails", "2")
		return len(a.Column(t, "", "user")) == 2, a.Verdict()
	})
	if got := a.Column(t, "", "count"); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("counts %v", got)
	}
	if f := a.Finding(t, "fails"); f.Text != "3 failures from 192.0.2.7 within 5 minutes, over 2" || len(f.Rows) != 2 {
		t.Errorf("finding %+v", f)
	}
	a = checktest.Ask(t, m.authFail(), "user", "root")
	a.Fine(t)
	if got := a.Column(t, "", "user"); !slices.Equal(got, []string{"root"}) {
		t.Errorf("users %v", got)
	}
}

func testTasks(t *testing.T, c container) {
	c.log(t, "CRON", "info", "(backup) CMD (PGPASSWORD=sesame /usr/local/bin/dump --key=sesame)")
	var a checktest.Answer
	poll(t, 20*time.Second, func() (bool, string) {
		a = checktest.Ask(t, c.bus().taskRecent(), "at", time.Now().UTC().Format(time.RFC3339))
		tasks := a.Column(t, "", "task")
		return slices.Contains(tasks, "/usr/local/bin/dump") && len(a.Findings) > 2, strings.Join(tasks, " ")
	})
	tasks := a.Column(t, "", "task")
	i := slices.Index(tasks, "job.service")
	if i < 0 || a.Column(t, "", "exit")[i] != "4" || a.Column(t, "", "next")[i] == "-" || a.Column(t, "", "last")[i] == "-" {
		t.Fatalf("tasks %+v", a.Tables[0].Rows)
	}
	next, err := time.Parse(time.DateTime, a.Column(t, "", "next")[slices.Index(tasks, "once.service")])
	if left := time.Until(next); err != nil || left > 2*time.Hour || left < time.Hour {
		t.Errorf("once.service is started two hours after the boot, which is in %v, %v", left, err)
	}
	if f := a.Finding(t, "warn"); f.Text != "job.service failed: exit-code, exit 4" {
		t.Errorf("finding %q", f.Text)
	}
	if f := a.Finding(t, "at"); !strings.Contains(f.Text, " ran ") {
		t.Errorf("finding %q", f.Text)
	}
	if i := slices.Index(tasks, "/usr/local/bin/dump"); a.Column(t, "", "user")[i] != "backup" {
		t.Errorf("row %v", a.Tables[0].Rows[i])
	}
	if strings.Contains(string(a.Raw), "sesame") {
		t.Error("what stands in cron's command is told")
	}
}

func testNoResolved(t *testing.T, c container) {
	a := checktest.Ask(t, c.bus().dnsFlush())
	if why := a.CannotTell(t); !strings.Contains(why, "systemd-resolved does not run") {
		t.Error(why)
	}
}

func testNoTimeService(t *testing.T, c container) {
	m := c.bus()
	m.chrony = "/nowhere/chronyd.sock"
	a := checktest.Ask(t, m.timeResync())
	if why := a.CannotTell(t); !strings.Contains(why, "no time service answers") {
		t.Error(why)
	}
}

// TestNoSystemd asks where neither bus nor journal is.
func TestNoSystemd(t *testing.T) {
	dir := t.TempDir()
	m := machine{bus: "unix:path=" + dir + "/bus", journal: dir, syslogs: []string{dir + "/syslog"}, tallies: dir + "/none", chrony: dir + "/none"}
	for _, c := range []check.Check{svcStatus(m.services), svcFailed(m.failures), m.taskRecent(), m.dnsFlush()} {
		if why := checktest.Ask(t, c).CannotTell(t); !strings.Contains(why, "systemd is not the init system") {
			t.Errorf("%s: %s", c.Name, why)
		}
	}
	if why := checktest.Ask(t, svcRestart(m.restarter()), "name", "x").CannotTell(t); !strings.Contains(why, "systemd is not") {
		t.Error(why)
	}
	for _, c := range []check.Check{logErrors(m.logErrors), m.logWatch(), m.authFail()} {
		if why := checktest.Ask(t, c).CannotTell(t); why != "this machine keeps no journal" {
			t.Errorf("%s: %s", c.Name, why)
		}
	}
}
