package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	sdbus "github.com/coreos/go-systemd/v22/dbus"
	"golang.org/x/sys/unix"
)

// A task is something that the machine runs by the clock.
type task struct {
	name, kind string
	last, next time.Time
	result     string
	exit       *int64
	took       any // a time.Duration, or nil
	user       string
	failed     bool
}

// taskRecent declares task.recent.
func (m machine) taskRecent() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "task.recent",
			Summary: "timers and cron jobs: when they ran, how that ended, when they run next",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "since", Summary: "how far back to look for runs", Type: shape.ADuration, Default: "24h"},
				{Name: "at", Summary: "when the trouble began, as in 2026-01-31T08:30:00Z: what ran within 10 minutes of it is a finding", Type: shape.AText},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "task", Type: shape.Text},
				{Name: "kind", Type: shape.Text},
				{Name: "last", Type: shape.Time},
				{Name: "took", Type: shape.Duration},
				{Name: "result", Type: shape.Text},
				{Name: "exit", Type: shape.Int},
				{Name: "next", Type: shape.Time},
				{Name: "user", Type: shape.Text},
			}}},
			Timeout: 30,
			MaxRows: 1000,
			Source:  "systemd over D-Bus: timers and what they start; cron's lines in the journal, which tell no result",
		},
		Run: m.tasks,
	}
}

// nearBy is how far from the trouble a run may be to be told.
const nearBy = 10 * time.Minute

func (m machine) tasks(ctx context.Context, in check.Input, out *check.Out) error {
	var trouble time.Time
	if in.Has("at") {
		t, err := time.Parse(time.RFC3339, in.Text("at"))
		if err != nil {
			return check.Unknown("%q is not a time as in 2026-01-31T08:30:00Z", in.Text("at"))
		}
		trouble = t
	}
	all, err := m.timers(ctx, out)
	jobs, noCron := m.cron(ctx, in.Duration("since"))
	if errors.Is(noCron, errNoJournal) && err == nil {
		noCron = nil // cron is one of two sources
	}
	all = append(all, jobs...)
	from := time.Now().Add(-in.Duration("since"))
	all = slices.DeleteFunc(all, func(t task) bool { return t.last.Before(from) && t.next.IsZero() })
	slices.SortStableFunc(all, func(a, b task) int { return cmp.Or(b.last.Compare(a.last), cmp.Compare(a.name, b.name)) })
	for _, t := range all {
		t.tell(out, from, trouble)
	}
	return errors.Join(err, noCron)
}

func (t task) tell(out *check.Out, from, trouble time.Time) {
	row := []int{out.Row(t.name, t.kind, t.last, t.took, text(t.result), optional(t.exit), t.next, text(t.user))}
	if t.failed && t.last.After(from) {
		f := check.Finding{Severity: check.Warn, Value: t.result, Rows: row}
		f.Text = fmt.Sprintf("%s failed: %s", t.name, t.result)
		if t.exit != nil {
			f.Text += fmt.Sprintf(", exit %d", *t.exit)
		}
		out.Find(f)
	}
	if away := t.last.Sub(trouble); !trouble.IsZero() && !t.last.IsZero() && away.Abs() <= nearBy {
		side := "after"
		if away < 0 {
			side = "before"
		}
		out.Find(check.Finding{
			Severity: check.Info, Param: "at", Value: away.Seconds(), Rows: row,
			Text: fmt.Sprintf("%s ran %v %s the trouble began", t.name, away.Abs().Round(time.Second), side),
		})
	}
}

// timers returns the tasks that systemd starts by the clock.
func (m machine) timers(ctx context.Context, out *check.Out) ([]task, error) {
	c, err := m.systemd(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	units, err := c.ListUnitsByPatternsContext(ctx, nil, []string{"*.timer"})
	if err != nil {
		return nil, fmt.Errorf("list timers: %w", err)
	}
	var all []task
	for _, u := range units {
		if u.LoadState == "not-found" {
			continue
		}
		t, err := timer(ctx, c, out, u.Name)
		if err != nil {
			return all, err
		}
		all = append(all, t)
	}
	return all, nil
}

func timer(ctx context.Context, c *sdbus.Conn, out *check.Out, name string) (task, error) {
	p, err := unitFacts(ctx, c, name)
	if err != nil {
		return task{}, err
	}
	rawUnit(out, p)
	t := task{name: str(p, "Unit"), kind: "timer", last: usec(num(p, "LastTriggerUSec")), next: nextRun(p)}
	s, err := unitFacts(ctx, c, t.name)
	if err != nil {
		return t, err
	}
	rawUnit(out, s)
	t.result, t.user = str(s, "Result"), str(s, "User")
	began, ended := num(s, "ExecMainStartTimestamp"), num(s, "ExecMainExitTimestamp")
	if ended > 0 && ended >= began {
		n := num(s, "ExecMainStatus")
		t.exit, t.took = &n, time.Duration(ended-began)*time.Microsecond
	}
	t.failed = t.result != "" && t.result != "success"
	if began > 0 && t.last.IsZero() {
		t.last = usec(began)
	}
	return t, nil
}

// nextRun returns when a timer elapses next, by the calendar or by the time since the
// boot, whichever is first.
func nextRun(p map[string]any) time.Time {
	at := usec(num(p, "NextElapseUSecRealtime"))
	mono := num(p, "NextElapseUSecMonotonic")
	var now unix.Timespec
	if mono <= 0 || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return at
	}
	since := time.Now().Add(time.Duration(mono)*time.Microsecond - time.Duration(now.Nano()))
	if at.IsZero() || since.Before(at) {
		return since
	}
	return at
}

// cronLine is what cron writes when it starts a job: the user and the command, of
// which only the program is told, because passwords stand in arguments.
var cronLine = regexp.MustCompile(`^\((\S+)\) CMD \(\s*(?:\w+=\S*\s+)*(\S+)`)

// cron returns the jobs that cron started, each with its last run.
func (m machine) cron(ctx context.Context, since time.Duration) ([]task, error) {
	entries, err := m.read(ctx, nil, query{since: since, most: maxCounted, match: []string{
		"SYSLOG_IDENTIFIER=CRON", "SYSLOG_IDENTIFIER=crond", "SYSLOG_IDENTIFIER=cron", "SYSLOG_IDENTIFIER=/usr/sbin/cron",
	}})
	if err != nil {
		return nil, err
	}
	var all []task
	seen := map[string]bool{}
	for _, e := range entries { // the newest first
		m := cronLine.FindStringSubmatch(e.message)
		if m == nil || seen[m[1]+" "+m[2]] {
			continue
		}
		seen[m[1]+" "+m[2]] = true
		all = append(all, task{name: trimParen(m[2]), kind: "cron", last: e.time, user: m[1]})
	}
	return all, nil
}

// trimParen takes away the parenthesis after a command without arguments.
func trimParen(s string) string {
	if n := len(s); n > 1 && s[n-1] == ')' {
		return s[:n-1]
	}
	return s
}
