package verb

import (
	"context"
	"fmt"
	"strings"

	"github.com/caisey/caisey/sessionlog"
)

// outcomes are the final states in the order in which a summary counts them.
var outcomes = []sessionlog.Outcome{
	sessionlog.OK, sessionlog.Failed, sessionlog.TimedOut, sessionlog.Cancelled,
	sessionlog.Refused, sessionlog.Offline, sessionlog.Lost,
}

// report says how the targets ended: one line for each that is not ok, and for
// several targets a summary that adds up to their number.
func (r *running) report(results []result) error {
	if r.json {
		for _, res := range results {
			if err := r.out.json(r.resultJSON(res)); err != nil {
				return err
			}
		}
	}
	counts := map[sessionlog.Outcome]int{}
	for _, res := range results {
		counts[res.state]++
		if len(results) == 1 && res.state == sessionlog.Failed && res.exit >= 0 && res.why == "" {
			return nil // the command has said it, and its code is ours
		}
		if res.state != sessionlog.OK {
			r.out.sayf("%s", res.line())
		}
	}
	if len(results) == 1 {
		return nil
	}
	var parts []string
	for _, o := range outcomes {
		if counts[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
			delete(counts, o)
		}
	}
	for o, n := range counts { // states of a newer relay
		parts = append(parts, fmt.Sprintf("%d %s", n, o))
	}
	r.out.sayf("%s: %s", count(len(results), "target"), strings.Join(parts, ", "))
	return nil
}

// name returns what was asked of whom.
func (o target) name() string {
	if o.label == "" {
		return o.ep.Path()
	}
	return o.ep.Path() + " " + o.label
}

// line says what became of a target that is not ok, and what to do next.
func (r result) line() string {
	s := r.name() + ": " + string(r.state)
	if r.state == sessionlog.Failed && r.exit >= 0 {
		s += fmt.Sprintf(", exit %d", r.exit)
	}
	if r.why != "" {
		s += ": " + r.why
	}
	if hint := r.hint(); hint != "" && !strings.Contains(r.why, "; ") {
		s += "; " + hint
	}
	return s
}

func (r result) hint() string {
	switch r.state {
	case sessionlog.TimedOut:
		return "give it longer with --timeout"
	case sessionlog.Offline:
		return "`ls` says since when"
	case sessionlog.Lost:
		if r.session != "" {
			return "it may or may not have run to its end, see `log " + string(r.session) + "`"
		}
	}
	return ""
}

// exitOf returns the exit code for all results together: that of their common
// class, or ExitFailed where they differ.
func exitOf(ctx context.Context, results []result) int {
	if ctx.Err() != nil {
		return ExitCancelled
	}
	if len(results) == 1 {
		return results[0].code()
	}
	class := results[0].class()
	for _, res := range results[1:] {
		if res.class() != class {
			return ExitFailed
		}
	}
	return class
}

// class returns the exit code for r as one of several.
func (r result) class() int {
	switch {
	case r.state == sessionlog.OK:
		return ExitOK
	case r.relay:
		return ExitRelay
	case r.state == sessionlog.Refused, r.cut:
		return ExitRefused
	case r.state == sessionlog.Offline:
		return ExitOffline
	case r.state == sessionlog.Cancelled:
		return ExitCancelled
	}
	return ExitFailed
}

// code returns the exit code for r as the only target: the command's own if it
// has one that fits.
func (r result) code() int {
	if r.state == sessionlog.Failed && r.exit > 0 && r.exit < 256 {
		return r.exit
	}
	return r.class()
}
