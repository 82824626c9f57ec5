package catalogue

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// local returns n checks of this machine that look once and need no arguments.
func local(n int) []check.Check {
	var out []check.Check
	for _, c := range All() {
		needs := slices.ContainsFunc(c.Params, func(p check.Param) bool { return p.Required })
		if c.Effect == sessionlog.EffectRead && c.Samples == 0 && !c.Live && !needs && len(out) < n {
			out = append(out, c)
		}
	}
	return out
}

// BenchmarkPack asks 15 local checks at once, for one endpoint and for 64 in one process.
// It reports how long until the last has answered, and what the heap holds afterwards.
func BenchmarkPack(b *testing.B) {
	checks := local(15)
	if len(checks) < 15 {
		b.Fatalf("there are only %d local checks", len(checks))
	}
	for _, endpoints := range []int{1, 64} {
		b.Run(fmt.Sprint(endpoints, " endpoints"), func(b *testing.B) {
			var worst time.Duration
			for b.Loop() {
				begun := time.Now()
				var all sync.WaitGroup
				for range endpoints {
					for _, c := range checks {
						all.Go(func() { ask(b, c) })
					}
				}
				all.Wait()
				worst = max(worst, time.Since(begun))
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(worst.Seconds(), "worst-s")
			b.ReportMetric(float64(m.HeapInuse)/(1<<20), "heap-MiB")
		})
	}
}

func ask(b *testing.B, c check.Check) {
	var r shape.Result
	err := c.Do(b.Context(), nil, check.Secrets{}, func(s sessionlog.Stream, data []byte) error {
		if s == sessionlog.RowStream {
			r.Add(data)
		}
		return nil
	})
	if err != nil || r.End == nil || r.Bad > 0 {
		b.Errorf("%s: %v, %+v", c.Name, err, r.End)
	}
}
