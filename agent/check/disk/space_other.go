//go:build !linux

package disk

import (
	"context"
	"fmt"
	"slices"

	"github.com/caisey/caisey/agent/check"
	psdisk "github.com/shirou/gopsutil/v4/disk"
)

// readVolumes returns the volumes that the system lists with their sizes.
func readVolumes(ctx context.Context, _ *check.Out) ([]volume, error) {
	parts, err := psdisk.PartitionsWithContext(ctx, false)
	if err != nil && len(parts) == 0 {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	all := make([]volume, 0, len(parts))
	for _, p := range parts {
		v := volume{name: p.Mountpoint, fs: p.Fstype, device: p.Device, readOnly: slices.Contains(p.Opts, "ro")}
		if fixed(v.fs) {
			continue
		}
		if u, err := psdisk.UsageWithContext(ctx, p.Mountpoint); err == nil && u.Total > 0 {
			v.answers, v.size, v.free, v.freePart = true, u.Total, u.Free, 100-u.UsedPercent
			if u.InodesTotal > 0 {
				left := 100 * float64(u.InodesFree) / float64(u.InodesTotal)
				v.inodesFree = &left
			}
		}
		all = append(all, v)
	}
	return all, ctx.Err()
}
