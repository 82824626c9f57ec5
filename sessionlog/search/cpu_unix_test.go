//go:build unix

package search_test

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time that this process has used, which says more
// than a clock does where the machine has others to serve.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
