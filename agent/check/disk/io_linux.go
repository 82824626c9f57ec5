package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/prometheus/procfs/blockdevice"
)

// diskIO declares disk.io.
func diskIO(s system) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "disk.io",
			Summary: "how fast disks answer, and how busy they are",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "volume", Summary: "the disk under this volume only", Type: shape.APath, Complete: "disk.space:volume"},
				{Name: "sample", Summary: "how long to watch", Type: shape.ADuration, Default: "5s", Max: 60},
				{Name: "warn", Summary: "time of an answer over which it warns", Type: shape.ANumber, Default: "20", Unit: "ms", Threshold: true},
				{Name: "crit", Summary: "time of an answer over which it is critical", Type: shape.ANumber, Default: "100", Unit: "ms", Threshold: true},
				{Name: "few", Summary: "answers in the sample under which their time says nothing", Type: shape.AnInt, Default: "5", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "device", Type: shape.Text},
				{Name: "volume", Type: shape.Text},
				{Name: "reads", Type: shape.Number, Unit: "/s"},
				{Name: "writes", Type: shape.Number, Unit: "/s"},
				{Name: "read_time", Type: shape.Number, Unit: "ms"},
				{Name: "write_time", Type: shape.Number, Unit: "ms"},
				{Name: "queue", Type: shape.Number},
				{Name: "busy", Type: shape.Percent},
			}}},
			Timeout: 90,
			Samples: 5,
			MaxRows: 500,
			Source:  "procfs diskstats, twice, and mountinfo",
		},
		Run: s.io,
	}
}

func (s system) io(ctx context.Context, in check.Input, out *check.Out) error {
	before, err := s.stats(out)
	if err != nil {
		return err
	}
	began := time.Now()
	watched := time.NewTimer(in.Duration("sample"))
	defer watched.Stop()
	select {
	case <-watched.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	after, err := s.stats(out)
	if err != nil {
		return err
	}
	took := time.Since(began)
	volumes, err := s.mounted()
	if err != nil {
		return err
	}
	was := map[string]blockdevice.Diskstats{}
	for _, d := range before {
		was[d.DeviceName] = d
	}
	found := false
	for _, d := range after {
		volume := volumes[fmt.Sprintf("%d:%d", d.MajorNumber, d.MinorNumber)]
		b, ok := was[d.DeviceName]
		if !ok || in.Has("volume") && volume != in.Text("volume") || volume == "" && idle(d.IOStats) {
			continue
		}
		found = true
		tellIO(d.DeviceName, volume, rates(b.IOStats, d.IOStats, took), in, out)
	}
	if in.Has("volume") && !found {
		return check.Unknown("no disk of this machine is mounted at %s", in.Text("volume"))
	}
	return nil
}

// idle reports whether the device has never done anything: most loops and RAM disks.
func idle(s blockdevice.IOStats) bool { return s.ReadIOs+s.WriteIOs == 0 }

func (s system) stats(out *check.Out) ([]blockdevice.Diskstats, error) {
	fs, err := blockdevice.NewFS(s.procfs(), "/sys")
	if err != nil {
		return nil, fmt.Errorf("open procfs: %w", err)
	}
	all, err := fs.ProcDiskstats()
	if err != nil {
		return nil, fmt.Errorf("read diskstats: %w", err)
	}
	if raw, err := os.ReadFile(filepath.Join(s.procfs(), "diskstats")); err == nil {
		out.Raw(raw[:min(len(raw), 128<<10)])
	}
	return all, nil
}

// mounted returns the mount points by the devices' numbers.
func (s system) mounted() (map[string]string, error) {
	mounts, err := s.mounts()
	if err != nil {
		return nil, err
	}
	by := map[string]string{}
	for _, m := range mounts {
		by[m.MajorMinorVer] = m.MountPoint
		// Some file systems have a number of their own: the device's is what counts.
		if name, err := filepath.EvalSymlinks(m.Source); err == nil && strings.HasPrefix(name, "/dev/") {
			if n, err := os.ReadFile("/sys/class/block/" + filepath.Base(name) + "/dev"); err == nil {
				by[strings.TrimSpace(string(n))] = m.MountPoint
			}
		}
	}
	return by, nil
}

// A rate is what a disk did within a sample.
type rate struct {
	did           uint64   // answers
	reads, writes float64  // a second
	read, write   *float64 // ms an answer; nil if there was none
	queue, busy   float64
}

func rates(a, b blockdevice.IOStats, took time.Duration) rate {
	reads, writes := since(a.ReadIOs, b.ReadIOs), since(a.WriteIOs, b.WriteIOs)
	secs := max(took.Seconds(), 0.001)
	return rate{
		did:   reads + writes,
		reads: float64(reads) / secs, writes: float64(writes) / secs,
		read: each(since(a.ReadTicks, b.ReadTicks), reads), write: each(since(a.WriteTicks, b.WriteTicks), writes),
		queue: float64(since(a.WeightedIOTicks, b.WeightedIOTicks)) / 1000 / secs,
		busy:  min(100, float64(since(a.IOsTotalTicks, b.IOsTotalTicks))/10/secs),
	}
}

// since returns how far a counter went; 0 if it began anew.
func since(a, b uint64) uint64 {
	if b < a {
		return 0
	}
	return b - a
}

func each(ms, n uint64) *float64 {
	if n == 0 {
		return nil
	}
	v := float64(ms) / float64(n)
	return &v
}

func tellIO(device, volume string, r rate, in check.Input, out *check.Out) {
	row := out.Row(device, volume, r.reads, r.writes, cell(r.read), cell(r.write), r.queue, r.busy)
	for _, t := range []struct {
		what string
		ms   *float64
	}{{"reads", r.read}, {"writes", r.write}} {
		// A disk with volumes on its partitions is their affair.
		if t.ms == nil || volume == "" || r.did < uint64(max(0, in.Int("few"))) {
			continue
		}
		f := check.Finding{Value: *t.ms, Rows: []int{row}}
		switch warn, crit := in.Number("warn"), in.Number("crit"); {
		case *t.ms > crit:
			f.Severity, f.Param, f.Threshold = check.Crit, "crit", crit
		case *t.ms > warn:
			f.Severity, f.Param, f.Threshold = check.Warn, "warn", warn
		default:
			continue
		}
		f.Text = fmt.Sprintf("%s takes %.1f ms for %s, over %v ms", volume, *t.ms, t.what, f.Threshold)
		out.Find(f)
	}
}

func cell(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}
