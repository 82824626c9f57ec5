//go:build linux || windows

package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// restartWindow is the time in which svc.failed counts restarts.
const restartWindow = 10 * time.Minute

// A failure is a service that has failed, or that was started again lately.
type failure struct {
	name, state, result string
	exit                *int64
	restarts            int // within restartWindow
	last                time.Time
	// failed says that it does not run because it failed.
	failed bool
}

// A failureLister returns the failures since then.
type failureLister func(ctx context.Context, out *check.Out, since time.Time) ([]failure, error)

// svcFailed declares svc.failed.
func svcFailed(list failureLister) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "svc.failed",
			Summary: "services that failed, or that end and are started again",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "since", Summary: "how far back failures count", Type: shape.ADuration, Default: "24h"},
				{Name: "restarts", Summary: "restarts within 10 minutes that are too many", Type: shape.AnInt, Default: "3", Min: 1, Max: 1000, Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "name", Type: shape.Text},
				{Name: "state", Type: shape.Text},
				{Name: "result", Type: shape.Text},
				{Name: "exit", Type: shape.Int},
				{Name: "restarts", Type: shape.Int, Unit: "in 10 min"},
				{Name: "last", Type: shape.Time},
			}}},
			Timeout: 20,
			MaxRows: 500,
			Source:  failuresSource,
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			all, err := list(ctx, out, time.Now().Add(-in.Duration("since")))
			slices.SortStableFunc(all, func(a, b failure) int {
				return cmp.Or(b.last.Compare(a.last), cmp.Compare(a.name, b.name))
			})
			for _, f := range all {
				f.tell(out, in.Int("restarts"))
			}
			return err
		},
	}
}

func (f failure) tell(out *check.Out, most int) {
	row := []int{out.Row(f.name, text(f.state), text(f.result), optional(f.exit), f.restarts, f.last)}
	if f.failed {
		why := f.result
		if f.exit != nil {
			why += fmt.Sprintf(", exit %d", *f.exit)
		}
		out.Find(check.Finding{Severity: check.Crit, Text: fmt.Sprintf("%s has failed: %s", f.name, why), Value: f.result, Rows: row})
	}
	if f.restarts >= most {
		out.Find(check.Finding{
			Severity: check.Crit, Param: "restarts", Value: f.restarts, Threshold: most, Rows: row,
			Text: fmt.Sprintf("%s was started again %d times in 10 minutes", f.name, f.restarts),
		})
	}
}
