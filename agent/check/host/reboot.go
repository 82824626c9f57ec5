package host

import (
	"context"
	"fmt"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A reason is why a machine waits to be started anew, and what says so.
type reason struct{ why, source string }

// rebootPending declares reboot.pending.
func rebootPending(reasons func(ctx context.Context, out *check.Out) ([]reason, error)) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "reboot.pending",
			Summary: "whether the machine waits to be started anew",
			Effect:  sessionlog.EffectRead,
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "reason", Type: shape.Text},
				{Name: "source", Type: shape.Text},
			}}},
			Timeout: 10,
			MaxRows: 200,
			Source:  "reboot-required and the kernels in /boot, needs-restarting -r on Linux; the registry on Windows",
		},
		Run: func(ctx context.Context, _ check.Input, out *check.Out) error {
			all, err := reasons(ctx, out)
			for _, r := range all {
				row := out.Row(r.why, r.source)
				out.Find(check.Finding{Severity: check.Info, Rows: []int{row}, Text: fmt.Sprintf("a restart is pending: %s", r.why)})
			}
			return err
		},
	}
}
