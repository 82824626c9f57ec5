package host

import (
	"bytes"
	"context"
	"os"
	"path/filepath"

	"github.com/caisey/caisey/agent/check"
	"github.com/prometheus/procfs"
	"github.com/shirou/gopsutil/v4/mem"
)

// pressure reads PSI, which a kernel may be built or booted without.
func (s system) pressure(out *check.Out) pressure {
	dir := s.path("proc")
	fs, err := procfs.NewFS(dir)
	if err != nil {
		return pressure{}
	}
	read := func(what string) *float64 {
		stats, err := fs.PSIStatsForResource(what)
		if err != nil || stats.Some == nil {
			return nil
		}
		if raw, err := os.ReadFile(filepath.Join(dir, "pressure", what)); err == nil {
			out.Raw([]byte(what + "\n"))
			out.Raw(raw)
		}
		return &stats.Some.Avg10
	}
	return pressure{read("cpu"), read("memory"), read("io")}
}

// committed returns how much of the memory that may be committed is, in percent, and
// whether the system refuses more.
func committed(ctx context.Context) (*float64, bool) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil || m.CommitLimit == 0 {
		return nil, false
	}
	part := 100 * float64(m.CommittedAS) / float64(m.CommitLimit)
	strict, err := os.ReadFile("/proc/sys/vm/overcommit_memory")
	if limited := err == nil && string(bytes.TrimSpace(strict)) == "2"; limited || part <= 100 {
		return &part, limited
	}
	return nil, false // over the limit, which nothing holds to
}
