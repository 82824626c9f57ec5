package host

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/shirou/gopsutil/v4/cpu"
	pshost "github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
)

// A pressure is the share of the last 10 seconds in which something waited; nil where
// the system does not count it.
type pressure struct{ cpu, memory, io *float64 }

// vitals declares host.vitals.
func vitals(pressure func(*check.Out) pressure) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "host.vitals",
			Summary: "load, memory and pressure of the machine",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "sample", Summary: "how long to watch the processors", Type: shape.ADuration, Default: "2s", Max: 60},
				{Name: "cpu", Summary: "load of the processors over which it warns", Type: shape.ANumber, Default: "90", Unit: "%", Threshold: true},
				{Name: "mem", Summary: "available memory under which it warns", Type: shape.ANumber, Default: "5", Unit: "%", Threshold: true},
				{Name: "commit", Summary: "committed memory over which it warns, where the system limits it", Type: shape.ANumber, Default: "95", Unit: "%", Threshold: true},
				{Name: "pressure", Summary: "share of 10 seconds in which work waited, over which it warns", Type: shape.ANumber, Default: "20", Unit: "%", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "cpu", Type: shape.Percent},
				{Name: "cores", Type: shape.Int},
				{Name: "run_queue", Type: shape.Int},
				{Name: "load", Type: shape.Number}, // of one minute
				{Name: "mem", Type: shape.Bytes},
				{Name: "mem_available", Type: shape.Percent},
				{Name: "swap", Type: shape.Bytes},
				{Name: "swap_used", Type: shape.Bytes},
				{Name: "commit", Type: shape.Percent},
				{Name: "uptime", Type: shape.Duration},
				{Name: "psi_cpu", Type: shape.Percent},
				{Name: "psi_memory", Type: shape.Percent},
				{Name: "psi_io", Type: shape.Percent},
			}}},
			Timeout: 75,
			Samples: 2,
			MaxRows: 1,
			Source:  "procfs with PSI on Linux; the system's counters of times and memory elsewhere",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			return runVitals(ctx, in, out, pressure)
		},
	}
}

func runVitals(ctx context.Context, in check.Input, out *check.Out, pressure func(*check.Out) pressure) error {
	busy, err := busyPart(ctx, in.Duration("sample"))
	if err != nil {
		return err
	}
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	cores, _ := cpu.CountsWithContext(ctx, true)
	queue, load1 := loads(ctx)
	var swap, swapUsed, uptime any
	if s, err := mem.SwapMemoryWithContext(ctx); err == nil {
		swap, swapUsed = s.Total, s.Used
	}
	if up, err := pshost.UptimeWithContext(ctx); err == nil {
		uptime = time.Duration(up) * time.Second
	}
	available := 100 * float64(memory.Available) / float64(max(memory.Total, 1))
	commit, limited := committed(ctx)
	p := pressure(out)
	row := []int{out.Row(busy, cores, queue, load1, memory.Total, available, swap, swapUsed, optional(commit), uptime,
		optional(p.cpu), optional(p.memory), optional(p.io))}
	over := func(param, what string, v *float64) {
		if limit := in.Number(param); v != nil && *v > limit {
			out.Find(check.Finding{Severity: check.Warn, Param: param, Value: *v, Threshold: limit, Rows: row, Text: fmt.Sprintf(what, *v, limit)})
		}
	}
	over("cpu", "the processors are busy to %.0f %%, over %g %%", &busy)
	if limit := in.Number("mem"); available < limit {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "mem", Value: available, Threshold: limit, Rows: row,
			Text: fmt.Sprintf("%.1f %% of memory is available, under %g %%", available, limit),
		})
	}
	if limited {
		over("commit", "%.0f %% of the memory that may be committed is, over %g %%", commit)
	}
	over("pressure", "work waited for a processor in %.0f %% of the last 10 s, over %g %%", p.cpu)
	over("pressure", "work waited for memory in %.0f %% of the last 10 s, over %g %%", p.memory)
	over("pressure", "work waited for disks in %.0f %% of the last 10 s, over %g %%", p.io)
	return nil
}

// loads returns how many processes run or wait for a processor, and the mean of a
// minute; nil where the system does not count them.
func loads(ctx context.Context) (queue, minute any) {
	if m, err := load.MiscWithContext(ctx); err == nil {
		queue = m.ProcsRunning
	}
	if l, err := load.AvgWithContext(ctx); err == nil {
		minute = l.Load1
	}
	return queue, minute
}

// busyPart returns how much of the sample the processors worked, in percent.
func busyPart(ctx context.Context, sample time.Duration) (float64, error) {
	before, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(before) == 0 {
		return 0, fmt.Errorf("read times of the processors: %w", err)
	}
	if err := watch(ctx, sample); err != nil {
		return 0, err
	}
	after, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(after) == 0 {
		return 0, fmt.Errorf("read times of the processors: %w", err)
	}
	all := total(after[0]) - total(before[0])
	idle := after[0].Idle + after[0].Iowait - before[0].Idle - before[0].Iowait
	if all <= 0 {
		return 0, nil
	}
	return min(100, max(0, 100*(all-idle)/all)), nil
}

// total returns all the time; that of guests is in user and nice.
func total(t cpu.TimesStat) float64 {
	return t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
}

func optional(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}
