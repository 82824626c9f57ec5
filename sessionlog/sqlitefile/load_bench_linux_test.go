package sqlitefile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/caisey/caisey/sessionlog"
)

// BenchmarkSessions has 1,000 sessions record 10,000 events of 120 bytes a second
// between them, evenly, and says how long an event waits to be durable and what
// that takes. Each has recorded one event before. Beside it stands what one
// append with a flush takes on the same disk, alone, right before.
// CAISEY_SESSIONS makes it another number.
func BenchmarkSessions(b *testing.B) {
	sessions := 1000
	if n, err := strconv.Atoi(os.Getenv("CAISEY_SESSIONS")); err == nil {
		sessions = n
	}
	d, err := OpenDir(b.TempDir(), Config{Signer: newSigner(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	logs := make([]sessionlog.Log, sessions)
	for i := range logs {
		if logs[i], err = d.Create(b.Context(), "acme", sessionlog.NewSessionID()); err != nil {
			b.Fatal(err)
		}
	}
	warm(b, logs)
	for b.Loop() {
		bare := flushes(b, time.Second)
		waits, used, took := load(b, logs, 5*time.Second)
		slices.Sort(waits)
		b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1e3, "p50-ms")
		b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1e3, "p99-ms")
		b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1e3, "max-ms")
		b.ReportMetric(float64(bare[len(bare)/2].Microseconds())/1e3, "bare-p50-ms")
		b.ReportMetric(float64(bare[len(bare)*99/100].Microseconds())/1e3, "bare-p99-ms")
		b.ReportMetric(used.Seconds()/took.Seconds(), "cores")
		b.ReportMetric(float64(len(waits))/took.Seconds(), "events/s")
	}
}

// warm has each log record an event and its file take it, so that its WAL is made.
func warm(b *testing.B, logs []sessionlog.Log) {
	var work errgroup.Group
	for _, log := range logs {
		work.Go(func() error {
			ev := sessionlog.New(sessionlog.NoteAdded, "technician:ana", "", sessionlog.Note{Text: line120})
			_, err := sessionlog.Append(context.Background(), log, ev)
			return errors.Join(err, log.(*File).flush())
		})
	}
	if err := work.Wait(); err != nil {
		b.Fatal(err)
	}
}

// flushes appends 4 KiB with a flush to a file, again and again, and returns how
// long each took, sorted.
func flushes(b *testing.B, while time.Duration) (took []time.Duration) {
	file, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	buf := make([]byte, 4<<10)
	for start := time.Now(); time.Since(start) < while; {
		asked := time.Now()
		_, err := file.Write(buf)
		if err := errors.Join(err, unix.Fdatasync(int(file.Fd()))); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(asked))
	}
	slices.Sort(took)
	return took
}

// load has each log take ten events a second for a while, and returns how long
// each event waited.
func load(b *testing.B, logs []sessionlog.Log, while time.Duration) (waits []time.Duration, used, took time.Duration) {
	const every = 100 * time.Millisecond
	var mu sync.Mutex
	var work sync.WaitGroup
	used, start := cpu(), time.Now()
	for i, log := range logs {
		work.Go(func() {
			timer := time.NewTimer(every * time.Duration(i) / time.Duration(len(logs)))
			defer timer.Stop()
			var mine []time.Duration
			for due := <-timer.C; due.Sub(start) < while; due = <-timer.C {
				asked := time.Now()
				ev := sessionlog.New(sessionlog.NoteAdded, "technician:ana", "", sessionlog.Note{Text: line120})
				if _, err := sessionlog.Append(context.Background(), log, ev); err != nil {
					b.Error(err)
					return
				}
				mine = append(mine, time.Since(asked))
				timer.Reset(max(0, every-time.Since(asked)))
			}
			mu.Lock()
			waits = append(waits, mine...)
			mu.Unlock()
		})
	}
	work.Wait()
	return waits, cpu() - used, time.Since(start)
}

const line120 = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"
