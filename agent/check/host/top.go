package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/shirou/gopsutil/v4/process"
)

// procTop declares proc.top.
func procTop() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "proc.top",
			Summary: "the processes that take the most",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "by", Summary: "what to order by", Type: shape.AnEnum, Values: []string{"cpu", "mem", "io", "handles"}, Default: "cpu"},
				{Name: "n", Summary: "how many", Type: shape.AnInt, Default: "15", Min: 1, Max: 500},
				{Name: "sample", Summary: "how long to watch", Type: shape.ADuration, Default: "1s", Max: 60},
				{Name: "cpu", Summary: "share of all processors of one process over which it warns", Type: shape.ANumber, Default: "80", Unit: "%", Threshold: true},
				{Name: "handles", Summary: "share of its limit of open files over which it warns", Type: shape.ANumber, Default: "80", Unit: "%", Threshold: true},
				{Name: "young", Summary: "age under which a listed process is told, on a machine that is up for longer", Type: shape.ADuration, Default: "15m", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "pid", Type: shape.Int},
				{Name: "ppid", Type: shape.Int},
				{Name: "name", Type: shape.Text},
				{Name: "user", Type: shape.Text},
				{Name: "cpu", Type: shape.Percent}, // of all processors
				{Name: "rss", Type: shape.Bytes},
				{Name: "io", Type: shape.Number, Unit: "B/s"},
				{Name: "threads", Type: shape.Int},
				{Name: "handles", Type: shape.Int},
				{Name: "limit", Type: shape.Int},
				{Name: "start", Type: shape.Time},
			}}},
			Timeout: 90,
			Samples: 1,
			MaxRows: 500,
			Source:  "procfs, and what stands for it elsewhere: names, never arguments",
		},
		Run: runTop,
	}
}

// A usage is what a process takes.
type usage struct {
	p       *process.Process
	seconds float64 // of processors
	bytes   uint64  // read and written
	cpu, io float64 // of the sample: in percent of all processors, in bytes a second
	rss     uint64
	handles *int32
}

func runTop(ctx context.Context, in check.Input, out *check.Out) error {
	before, err := usages(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := watch(ctx, in.Duration("sample")); err != nil {
		return err
	}
	all, err := usages(ctx)
	if err != nil {
		return err
	}
	took := max(time.Since(began).Seconds(), 0.01)
	list := make([]*usage, 0, len(all))
	for pid, u := range all {
		if b, ok := before[pid]; ok && u.seconds >= b.seconds {
			u.cpu = 100 * (u.seconds - b.seconds) / took / float64(runtime.NumCPU())
			u.io = float64(u.bytes-min(b.bytes, u.bytes)) / took
		}
		if m, err := u.p.MemoryInfoWithContext(ctx); err == nil && m != nil {
			u.rss = m.RSS
		}
		if n, err := u.p.NumFDsWithContext(ctx); err == nil {
			u.handles = &n
		}
		list = append(list, u)
	}
	by := in.Text("by")
	slices.SortFunc(list, func(a, b *usage) int {
		return cmp.Or(cmp.Compare(b.by(by), a.by(by)), cmp.Compare(a.p.Pid, b.p.Pid))
	})
	for i, u := range list {
		if i < in.Int("n") || u.cpu > in.Number("cpu") {
			u.tell(ctx, in, out)
		}
	}
	return ctx.Err()
}

func (u *usage) by(what string) float64 {
	switch {
	case what == "mem":
		return float64(u.rss)
	case what == "io":
		return u.io
	case what == "handles" && u.handles != nil:
		return float64(*u.handles)
	case what == "handles":
		return -1
	}
	return u.cpu
}

func usages(ctx context.Context) (map[int32]*usage, error) {
	all, err := process.ProcessesWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	by := make(map[int32]*usage, len(all))
	for _, p := range all {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		u := &usage{p: p}
		t, err := p.TimesWithContext(ctx)
		if errors.Is(err, process.ErrorProcessNotRunning) {
			continue
		}
		if err == nil {
			u.seconds = t.User + t.System
		}
		if c, err := p.IOCountersWithContext(ctx); err == nil && c != nil {
			u.bytes = c.ReadBytes + c.WriteBytes
		}
		by[p.Pid] = u
	}
	return by, nil
}

func (u *usage) tell(ctx context.Context, in check.Input, out *check.Out) {
	name, err := u.p.NameWithContext(ctx)
	if err != nil {
		return // it has ended
	}
	user, _ := u.p.UsernameWithContext(ctx)
	var ppid, threads, handles, limit any
	if n, err := u.p.PpidWithContext(ctx); err == nil {
		ppid = n
	}
	if n, err := u.p.NumThreadsWithContext(ctx); err == nil {
		threads = n
	}
	if u.handles != nil {
		handles = *u.handles
	}
	most := openLimit(ctx, u.p)
	if most > 0 {
		limit = most
	}
	var start time.Time
	if ms, err := u.p.CreateTimeWithContext(ctx); err == nil {
		start = time.UnixMilli(ms)
	}
	rows := []int{out.Row(u.p.Pid, ppid, name, text(user), min(u.cpu, 100), u.rss, u.io, threads, handles, limit, start)}
	who := fmt.Sprintf("%s (%d)", name, u.p.Pid)
	if cpu := in.Number("cpu"); u.cpu > cpu {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "cpu", Value: u.cpu, Threshold: cpu, Rows: rows,
			Text: fmt.Sprintf("%s takes %.0f %% of all processors, over %g %%", who, u.cpu, cpu),
		})
	}
	if share := in.Number("handles"); u.handles != nil && most > 0 && 100*float64(*u.handles)/float64(most) > share {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "handles", Value: *u.handles, Threshold: share, Rows: rows,
			Text: fmt.Sprintf("%s has %d of %d files open, over %g %%", who, *u.handles, most, share),
		})
	}
	if age := time.Since(start); !start.IsZero() && age < in.Duration("young") && upFor(ctx) > in.Duration("young") {
		out.Find(check.Finding{
			Severity: check.Info, Param: "young", Value: age.Seconds(), Threshold: in.Text("young"), Rows: rows,
			Text: fmt.Sprintf("%s started %v ago", who, age.Round(time.Second)),
		})
	}
}
