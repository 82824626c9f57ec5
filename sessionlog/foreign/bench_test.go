package foreign

import (
	"fmt"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
	"github.com/caisey/caisey/sessionlog/verify"
)

// BenchmarkRows reads all rows of a record through a child and right after it in
// this process, as a verifier reads them. ratio is the child's time over the other.
func BenchmarkRows(b *testing.B) {
	for _, size := range []int{120, 32 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			events := min(100_000, 64<<20/size)
			path := write(b, events, size, true)
			direct, err := sqlitefile.OpenFile(path)
			if err != nil {
				b.Fatal(err)
			}
			defer direct.Close()
			r := open(b, path)
			var ours, bare time.Duration
			for b.Loop() {
				ours += readRows(b, r)
				bare += readRows(b, direct)
			}
			n := float64(b.N * events)
			b.ReportMetric(n/ours.Seconds(), "events/s")
			b.ReportMetric(n/bare.Seconds(), "direct-events/s")
			b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio")
		})
	}
}

func readRows(b *testing.B, src verify.Source) time.Duration {
	start := time.Now()
	for from := sessionlog.Seq(1); ; {
		rows, err := src.Rows(b.Context(), from, 1024)
		if err != nil {
			b.Fatal(err)
		}
		if len(rows) == 0 {
			return time.Since(start)
		}
		from = rows[len(rows)-1].Seq + 1
	}
}

// BenchmarkOpen is what it costs to start and end a child.
func BenchmarkOpen(b *testing.B) {
	path := write(b, 10, 10, true)
	for b.Loop() {
		r, err := Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
