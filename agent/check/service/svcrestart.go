//go:build linux || windows

package service

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A restarter knows a service and can start it again.
type restarter struct {
	list lister
	// restart stops and starts it, and returns when it runs or has failed.
	restart func(ctx context.Context, name string) error
}

// svcRestart declares svc.restart.
func svcRestart(r restarter) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "svc.restart",
			Summary: "starts a service again",
			Effect:  sessionlog.EffectChange,
			Params: []check.Param{
				{Name: "name", Summary: "the service", Type: shape.AText, Required: true, Complete: "svc.status:name"},
				{Name: "settle", Summary: "how long it has to keep running to count as started", Type: shape.ADuration, Default: "2s", Max: 60, Threshold: true},
			},
			Tables: []check.Table{
				{Name: "before", Columns: stateColumns()},
				{Name: "after", Columns: stateColumns()},
			},
			Timeout: 180,
			MaxRows: 10,
			Source:  servicesSource,
			Undo:    "a restart cannot be taken back: connections to the service are lost; if it did not run before, stop it",
		},
		Run: check.Fixing(r.before, r.change, r.after),
	}
}

func (r restarter) look(ctx context.Context, in check.Input, out *check.Out) (state, int, error) {
	all, err := r.list(ctx, out, []string{in.Text("name")})
	if err != nil {
		return state{}, -1, err
	}
	if len(all) != 1 {
		return state{}, -1, check.Unknown("%q names %d services, not one", in.Text("name"), len(all))
	}
	return all[0], out.Row(all[0].row()...), nil
}

func (r restarter) before(ctx context.Context, in check.Input, out *check.Out) error {
	s, _, err := r.look(ctx, in, out)
	switch {
	case err != nil:
		return err
	case s.state == "missing":
		return check.Unknown("there is no service %s: nothing was changed", s.name)
	case s.start == "masked" || s.start == "disabled":
		return check.Unknown("%s is %s and cannot be started: nothing was changed", s.name, s.start)
	}
	return nil
}

func (r restarter) change(ctx context.Context, in check.Input, _ *check.Out) error {
	return r.restart(ctx, in.Text("name"))
}

// after looks once the service has had time to fail.
func (r restarter) after(ctx context.Context, in check.Input, out *check.Out) error {
	settle := time.NewTimer(in.Duration("settle"))
	defer settle.Stop()
	select {
	case <-settle.C:
	case <-ctx.Done():
	}
	s, row, err := r.look(ctx, in, out)
	if err != nil {
		return err
	}
	if s.state != "running" && !(s.rests && s.state == "stopped" && s.result == "success") {
		out.Find(check.Finding{
			Severity: check.Crit, Value: s.state, Table: "after", Rows: []int{row},
			Text: fmt.Sprintf("%s does not run after the restart: %s", s.name, s.ending()),
		})
	}
	return nil
}
