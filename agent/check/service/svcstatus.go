//go:build linux || windows

package service

import (
	"context"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A lister returns the services of those names, or all if there are none. One that
// is not there has the state missing. What the manager said goes to out as raw
// evidence.
type lister func(ctx context.Context, out *check.Out, names []string) ([]state, error)

// svcStatus declares svc.status.
func svcStatus(list lister) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "svc.status",
			Summary: "services, whether they run, since when and as whom",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "name", Summary: "services; all if none is named", Type: shape.AList, Complete: "svc.status:name"},
				{Name: "grace", Summary: "how long a start may take", Type: shape.ADuration, Default: "2m", Threshold: true},
			},
			Tables:  []check.Table{{Columns: stateColumns()}},
			Timeout: 20,
			MaxRows: 2000,
			Source:  servicesSource,
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			names := in.List("name")
			all, err := list(ctx, out, names)
			if err != nil {
				return err
			}
			now := time.Now()
			for _, s := range all {
				row := out.Row(s.row()...)
				if f, ok := s.wrong(len(names) > 0, in.Duration("grace"), now); ok {
					f.Rows = []int{row}
					out.Find(f)
				}
			}
			return nil
		},
	}
}
