package host

import (
	"context"

	"github.com/shirou/gopsutil/v4/mem"
)

// committed returns how much of the memory that may be committed is, in percent.
func committed(context.Context) (*float64, bool) {
	m, err := mem.NewExWindows().VirtualMemory()
	if err != nil || m.CommitLimit == 0 {
		return nil, false
	}
	part := 100 * float64(m.CommitTotal) / float64(m.CommitLimit)
	return &part, true
}
