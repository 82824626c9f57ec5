package host

import (
	"context"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	"golang.org/x/sys/windows"
)

// openLimit: Windows limits handles for none in particular.
func openLimit(context.Context, *process.Process) uint64 { return 0 }

// upFor returns for how long the machine is up.
func upFor(context.Context) time.Duration { return windows.DurationSinceBoot() }
