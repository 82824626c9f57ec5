//go:build !windows

package host

import (
	"context"
	"math"
	"time"

	pshost "github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/process"
)

// openLimit returns how many files the process may have open; 0 if that is not known,
// or not limited.
func openLimit(ctx context.Context, p *process.Process) uint64 {
	all, err := p.RlimitWithContext(ctx)
	if err != nil {
		return 0
	}
	for _, l := range all {
		if l.Resource == process.RLIMIT_NOFILE && l.Soft < math.MaxInt32 {
			return l.Soft
		}
	}
	return 0
}

// upFor returns for how long the machine is up.
func upFor(ctx context.Context) time.Duration {
	up, err := pshost.UptimeWithContext(ctx)
	if err != nil {
		return 0
	}
	return time.Duration(up) * time.Second
}
