package relay

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// BenchmarkIdle is what a session costs in which nobody works: 1,000 of them, or
// CAISEY_IDLE_SESSIONS, each with three steps behind it, in signed files. heap+stack
// and rss are what the process has more than without them; reopen is the time until
// a parked record can be written again, read that until its first events are read,
// and file, the limit beside them, that of reading the same file whole. The aims
// are 10 KiB and 1 ms.
func BenchmarkIdle(b *testing.B) {
	n := 1000
	if s := os.Getenv("CAISEY_IDLE_SESSIONS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		b.StopTimer()
		idle(b, n)
		b.StartTimer()
	}
}

func idle(b *testing.B, n int) {
	path := b.TempDir()
	r, open := idleRelay(b, path)
	defer r.Close()
	open(100) // so that what SQLite keeps for itself is there
	before := footprint(b)
	sessions := open(n)
	after := footprint(b)
	b.ReportMetric(float64(after.memory-before.memory)/float64(n), "heap+stack-B/session")
	b.ReportMetric(float64(after.rss-before.rss)/float64(n), "rss-B/session")
	b.ReportMetric(float64(after.files-before.files)/float64(n), "fds/session")
	b.ReportMetric(float64(after.goroutines-before.goroutines)/float64(n), "goroutines/session")

	var reopen, read, file []time.Duration
	for i, s := range sessions[:min(n, 1000)] {
		if i%2 == 0 { // either way once
			reopen = append(reopen, timed(b, func() error {
				_, err := s.rec.enter(b.Context())
				s.rec.leave()
				return err
			}))
		} else {
			read = append(read, timed(b, func() error { _, err := s.rec.Read(b.Context(), 1, 100); return err }))
		}
		r.shelf.park(b.Context(), time.Now())
		file = append(file, timed(b, func() error {
			_, err := os.ReadFile(filepath.Join(path, s.info.Client, string(s.info.Session)+sqlitefile.Ext))
			return err
		}))
	}
	for name, took := range map[string][]time.Duration{"reopen": reopen, "read": read, "file": file} {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), name+"-p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), name+"-p99-µs")
	}
	b.ReportMetric(0, "ns/op")
}

func timed(b *testing.B, do func() error) time.Duration {
	start := time.Now()
	if err := do(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// idleRelay returns a relay, and what opens sessions in it, asks for three steps in
// each, and has them parked.
func idleRelay(b *testing.B, path string) (*Relay, func(n int) []*session) {
	skey, _, err := note.GenerateKey(rand.Reader, "relay.example")
	if err != nil {
		b.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		b.Fatal(err)
	}
	dir, err := sqlitefile.OpenDir(path, sqlitefile.Config{Signer: signer})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { dir.Close() })
	catalogue, err := fleet.Open(b.Context(), logtest.NewMemory(), fleet.Config{})
	if err != nil {
		b.Fatal(err)
	}
	key, _ := newKey(b)
	err = catalogue.AddTechnician(b.Context(), sessionlog.Relay, console.AddTechnician{Name: "ana", Role: console.RoleAdmin, Key: key})
	if err != nil {
		b.Fatal(err)
	}
	r, err := New(b.Context(), Config{
		Fleet: catalogue, Records: onDisk{dir}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Mint: func() (string, [32]byte) { return "token", sha256.Sum256([]byte(rand.Text())) },
	})
	if err != nil {
		b.Fatal(err)
	}
	made := 0
	return r, func(n int) (all []*session) {
		for i := range n {
			made++
			s, err := r.openSession(b.Context(), benchEndpoint(b, catalogue, fmt.Sprintf("db%05d", made)), console.Self{Name: "ana", Key: "SHA256:0123456789012345678901234567890123456789012"})
			if err != nil {
				b.Fatal(err)
			}
			for range 3 {
				_, err := s.run(b.Context(), sessionlog.Technician("ana"), sessionlog.NewStepID(), 1,
					sessionlog.Requested{Command: "journalctl --unit postgresql --since yesterday"})
				if err != nil {
					b.Fatal(err)
				}
			}
			all = append(all, s)
			if i%100 == 99 { // not all at the end: open ones take 200 KiB each
				r.shelf.park(b.Context(), time.Now())
			}
		}
		r.shelf.park(b.Context(), time.Now())
		return all
	}
}

// A print is what the process takes.
type print struct{ memory, rss, files, goroutines int }

func footprint(b *testing.B) print {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	p := print{memory: int(m.HeapAlloc + m.StackInuse), goroutines: runtime.NumGoroutine()}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("this system has no /proc/self/statm")
	}
	var size int
	if _, err := fmt.Sscan(string(statm), &size, &p.rss); err != nil {
		b.Fatal(err)
	}
	p.rss *= os.Getpagesize()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		b.Fatal(err)
	}
	p.files = len(fds)
	return p
}
