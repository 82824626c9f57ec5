package sqlitefile

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// BenchmarkReplay reads a whole live record from the file.
func BenchmarkReplay(b *testing.B) {
	for _, size := range []int{120, 32 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			f := create(b, newDir(b, Config{}))
			const events = 4096
			for i := range events {
				if _, err := f.Submit(b.Context(), sessionlog.NewOutput("agent:acme/db01", step, sessionlog.Chunk{
					Stream: sessionlog.Stdout, Offset: int64(i * size), Data: bytes.Repeat([]byte("x"), size),
				})); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := f.Wait(b.Context(), events-1); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(events * size))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if err := sessionlog.Replay(b.Context(), f, func(sessionlog.Event) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkCreate is what a new session costs up to its first durable event, 8
// at once.
func BenchmarkCreate(b *testing.B) {
	d := newDir(b, Config{})
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			log, err := d.Create(b.Context(), "acme", sessionlog.NewSessionID())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := sessionlog.Append(b.Context(), log, chunkAt(0, 1)); err != nil {
				b.Fatal(err)
			}
			if err := log.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
