package host

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// updRecent declares upd.recent.
func updRecent(s system) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "upd.recent",
			Summary: "packages that were installed, changed or removed, and those that failed",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "days", Summary: "how far back", Type: shape.AnInt, Default: "7", Min: 1, Max: 3650},
				{Name: "fresh", Summary: "age of a change under which it is told", Type: shape.ADuration, Default: "48h", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "time", Type: shape.Time},
				{Name: "id", Type: shape.Text},
				{Name: "action", Type: shape.Text},
				{Name: "from", Type: shape.Text},
				{Name: "to", Type: shape.Text},
				{Name: "result", Type: shape.Text},
			}}},
			Timeout: 30,
			MaxRows: 1000,
			Source:  "dpkg's log and status, or rpm's database",
		},
		Run: s.runUpdates,
	}
}

func (s system) runUpdates(ctx context.Context, in check.Input, out *check.Out) error {
	failed, statusErr := s.broken()
	for _, u := range failed {
		row := out.Row(nil, u.name, nil, nil, nil, u.action)
		out.Find(check.Finding{
			Severity: check.Warn, Value: u.action, Rows: []int{row},
			Text: fmt.Sprintf("package %s is %s: its installation failed or still runs", u.name, u.action),
		})
	}
	all, err := s.updates(ctx, out, time.Now().AddDate(0, 0, -in.Int("days")))
	var fresh []int
	n := 0
	for _, u := range all {
		row := out.Row(u.at, u.name, u.action, text(u.from), text(u.to), "ok")
		if time.Since(u.at) < in.Duration("fresh") {
			n++
			if len(fresh) < 50 {
				fresh = append(fresh, row)
			}
		}
	}
	if n > 0 {
		out.Find(check.Finding{
			Severity: check.Info, Param: "fresh", Value: n, Threshold: in.Text("fresh"), Rows: fresh,
			Text: fmt.Sprintf("%d packages changed in the last %v, %s the last", n, in.Duration("fresh"), all[0].name),
		})
	}
	if err == nil {
		err = statusErr
	}
	return err
}
