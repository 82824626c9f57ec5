package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/prometheus/procfs"
)

// diskHealth declares disk.health.
func diskHealth(s system) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "disk.health",
			Summary: "what the kernel, the disks and the arrays say of failing disks",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "since", Summary: "how far back the kernel's records count", Type: shape.ADuration, Default: "24h"},
				{Name: "errors", Summary: "records of errors of a disk that are too many", Type: shape.AnInt, Default: "1", Min: 1, Max: 1e6, Threshold: true},
				{Name: "worn", Summary: "share of a disk's life that is used, over which it warns", Type: shape.ANumber, Default: "90", Unit: "%", Max: 255, Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "device", Type: shape.Text},
				{Name: "event", Type: shape.Text},
				{Name: "count", Type: shape.Int},
				{Name: "last", Type: shape.Time},
				{Name: "says", Type: shape.Text},
				{Name: "source", Type: shape.Text},
			}}},
			Timeout: 30,
			MaxRows: 500,
			Source:  "the kernel's records in the journal, or in its ring; mdstat; smartctl -j",
		},
		Run: s.health,
	}
}

func (s system) health(ctx context.Context, in check.Input, out *check.Out) error {
	kernel := s.kernel(ctx, in, out)
	arrays := s.arrays(out)
	smart := s.smart(ctx, in, out)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if kernel != nil {
		return kernel // the arrays' and the disks' own word stands, but the main part is missing
	}
	return errors.Join(arrays, smart)
}

// kernel tells of the kernel's records.
func (s system) kernel(ctx context.Context, in check.Input, out *check.Out) error {
	records, err := s.journal.Kernel(ctx, out, time.Now().Add(-in.Duration("since")))
	type key struct{ device, event string }
	type sum struct {
		key
		n    int
		last time.Time
		says string
	}
	var sums []sum
	for _, r := range records {
		device, event := classify(r.Message)
		if event == "" {
			continue
		}
		i := slices.IndexFunc(sums, func(s sum) bool { return s.key == key{device, event} })
		if i < 0 {
			i, sums = len(sums), append(sums, sum{key: key{device, event}})
		}
		sums[i].n++
		if !r.Time.Before(sums[i].last) {
			sums[i].last, sums[i].says = r.Time, r.Message
		}
	}
	for _, s := range sums {
		row := out.Row(s.device, s.event, s.n, s.last, s.says, "kernel")
		if most := in.Int("errors"); s.n >= most {
			out.Find(check.Finding{
				Severity: check.Crit, Param: "errors", Value: s.n, Threshold: most, Rows: []int{row},
				Text: fmt.Sprintf("%s: %d records of %s within %v", s.device, s.n, s.event, in.Duration("since")),
			})
		}
	}
	return err
}

// arrays tells of arrays that lack disks.
func (s system) arrays(out *check.Out) error {
	name := filepath.Join(s.procfs(), "mdstat")
	text, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return nil // no array
	}
	if err != nil {
		return fmt.Errorf("read arrays: %w", err)
	}
	fs, err := procfs.NewFS(s.procfs())
	if err != nil {
		return fmt.Errorf("open procfs: %w", err)
	}
	all, err := fs.MDStat()
	if err != nil {
		return fmt.Errorf("read arrays: %w", err)
	}
	out.Raw(text[:min(len(text), 64<<10)])
	for _, a := range all {
		missing := a.DisksTotal - a.DisksActive
		row := out.Row(a.Name, "array "+a.ActivityState, max(missing, a.DisksFailed), nil,
			fmt.Sprintf("%s, %d of %d disks", a.Type, a.DisksActive, a.DisksTotal), "mdstat")
		if missing > 0 || a.DisksFailed > 0 {
			out.Find(check.Finding{
				Severity: check.Crit, Value: missing, Rows: []int{row},
				Text: fmt.Sprintf("array %s runs with %d of %d disks, %d failed", a.Name, a.DisksActive, a.DisksTotal, a.DisksFailed),
			})
		}
	}
	return nil
}

// smart tells what the disks say of themselves. A machine without smartctl, or with
// disks that say nothing, is not less known: the kernel's word is what counts.
func (s system) smart(ctx context.Context, in check.Input, out *check.Out) error {
	tool := s.journal.Tool
	if tool == nil {
		tool = check.Tool
	}
	text, err := tool(ctx, nil, "smartctl", "-j", "--scan")
	if err != nil {
		return nil
	}
	devices, err := parseScan(text)
	if err != nil {
		return err
	}
	for _, d := range devices[:min(len(devices), 64)] {
		// Its exit code is a set of bits, some of which are about the disk. A disk at
		// rest is not woken.
		text, _ := tool(ctx, out, "smartctl", "-j", "-n", "standby", "-H", "-A", "-d", d.Type, d.Name)
		r, err := parseSmart(text)
		if err != nil || ctx.Err() != nil {
			continue
		}
		r.tell(strings.TrimPrefix(d.Name, "/dev/"), in, out)
	}
	return nil
}
