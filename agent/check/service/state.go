//go:build linux || windows

package service

import (
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A state is what the manager of services says of one service.
type state struct {
	name, display string
	// state is running, stopped, failed, starting, stopping, restarting, paused, or
	// missing.
	state string
	// detail is the manager's own word for it.
	detail string
	// start is how it is started: auto, delayed, manual, disabled, masked, other.
	start string
	pid   int
	// exit is how its main process ended last; nil if it has not, or nobody knows.
	exit *int64
	// restarts counts how often the manager started it again by itself; nil if the
	// manager does not count.
	restarts *int64
	user     string
	since    time.Time
	result   string
	// rests says that nothing is wrong with it when it does not run: it runs once, or
	// on demand, or its conditions do not hold.
	rests bool
}

// stateColumns are the columns of a state's row.
func stateColumns() []check.Column {
	return []check.Column{
		{Name: "name", Type: shape.Text},
		{Name: "display", Type: shape.Text},
		{Name: "state", Type: shape.Text},
		{Name: "detail", Type: shape.Text},
		{Name: "start", Type: shape.Text},
		{Name: "pid", Type: shape.Int},
		{Name: "exit", Type: shape.Int},
		{Name: "restarts", Type: shape.Int},
		{Name: "user", Type: shape.Text},
		{Name: "since", Type: shape.Time},
		{Name: "result", Type: shape.Text},
	}
}

// row returns the cells of stateColumns.
func (s state) row() []any {
	return []any{
		s.name, s.display, s.state, text(s.detail), text(s.start), number(s.pid),
		optional(s.exit), optional(s.restarts), text(s.user), s.since, text(s.result),
	}
}

// wrong returns the finding about s, if there is one. Asked says that it was asked
// for by name; grace is how long a start may take.
func (s state) wrong(asked bool, grace time.Duration, now time.Time) (check.Finding, bool) {
	f := check.Finding{Severity: check.Crit, Value: s.state}
	switch {
	case s.state == "missing":
		f.Text = fmt.Sprintf("there is no service %s", s.name)
	case s.state == "failed":
		f.Text = fmt.Sprintf("%s has failed: %s", s.name, s.ending())
	case s.state == "restarting":
		f.Text = fmt.Sprintf("%s ends and is started again and again: %s", s.name, s.ending())
	case s.state == "starting":
		return s.slow(grace, now)
	case s.state != "stopped" || s.rests && !asked:
		return f, false
	case s.start == "auto" || s.start == "delayed":
		f.Text = fmt.Sprintf("%s should run and does not: %s", s.name, s.ending())
	case asked:
		f.Severity = check.Warn
		f.Text = fmt.Sprintf("%s does not run: %s", s.name, s.ending())
	case s.exit != nil && *s.exit != 0:
		f.Severity = check.Warn
		f.Text = fmt.Sprintf("%s ended with %d", s.name, *s.exit)
	default:
		return f, false
	}
	return f, true
}

// slow is wrong for a service that is starting.
func (s state) slow(grace time.Duration, now time.Time) (check.Finding, bool) {
	f := check.Finding{Severity: check.Info, Param: "grace", Threshold: grace.Seconds()}
	if s.since.IsZero() {
		f.Text = s.name + " is starting"
		return f, true
	}
	took := now.Sub(s.since).Round(time.Second)
	f.Value = took.Seconds()
	f.Text = fmt.Sprintf("%s has been starting for %v", s.name, took)
	if took > grace {
		f.Severity = check.Warn
	}
	return f, true
}

// ending says how it ended, in a few words.
func (s state) ending() string {
	words := "its start is " + s.start
	if s.start == "" {
		words = "it is " + s.detail
	}
	if s.result != "" && s.result != "success" {
		words = s.result
	}
	if s.exit != nil {
		words += fmt.Sprintf(", exit %d", *s.exit)
	}
	if s.restarts != nil && *s.restarts > 0 {
		words += fmt.Sprintf(", %d restarts", *s.restarts)
	}
	return words
}

// optional returns a cell: null if nobody knows.
func optional(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}
