package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/agent"
	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A bench is a relay with n agents in this process, over real QUIC, real
// processes and real files.
type bench struct {
	b         *testing.B
	backend   console.Backend
	endpoints []console.Endpoint
	sessions  []sessionlog.SessionID
}

func newBench(b *testing.B, n int) *bench {
	b.Helper()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	key, err := ssh.NewPublicKey(pub)
	must(err)
	dir := b.TempDir()
	s, err := serve(b.Context(), serveConfig{
		Data: filepath.Join(dir, "relay"), QUIC: "127.0.0.1:0", SSH: "127.0.0.1:0",
		AdminKeys: []string{string(ssh.MarshalAuthorizedKey(key))}, Log: slog.New(slog.DiscardHandler),
	})
	must(err)
	self, err := s.person(ssh.FingerprintSHA256(key))
	must(err)
	w := &bench{b: b, backend: s.relay.Console(self)}
	token, err := w.backend.Do(b.Context(), console.NewToken{Client: "acme", Uses: n})
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	var agents sync.WaitGroup
	b.Cleanup(func() {
		stop()
		agents.Wait()
		must(s.Close())
	})
	for i := range n {
		cfg := agent.Config{Data: filepath.Join(dir, fmt.Sprint(i)), Name: fmt.Sprintf("node%03d", i)}
		_, err := agent.Enroll(b.Context(), token.Token, cfg)
		must(err)
		agents.Go(func() { _ = agent.Run(ctx, cfg) }) // it ends with the benchmark
	}
	must(awaitOnline(b.Context(), w.backend, n))
	roster, err := w.backend.Directory(b.Context())
	must(err)
	defer roster.Close()
	all, err := roster.Next(b.Context())
	must(err)
	w.endpoints = all.Endpoints
	for _, e := range w.endpoints {
		opened, err := w.backend.Do(b.Context(), console.Open{Endpoint: e.ID})
		must(err)
		w.sessions = append(w.sessions, opened.Session)
	}
	return w
}

// run runs a command in session i and returns once its end is on disk.
func (w *bench) run(i int, command string) error {
	step := sessionlog.NewStepID()
	asked, err := w.backend.Do(w.b.Context(), console.Run{Session: w.sessions[i], Step: step, Command: command})
	if err != nil {
		return err
	}
	feed, err := w.backend.Watch(w.b.Context(), w.sessions[i], asked.Seq)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		evs, err := feed.Next(w.b.Context())
		if err != nil {
			return err
		}
		for _, ev := range evs {
			if ev.Step != step || ev.Kind != sessionlog.StepEnded {
				continue
			}
			var e sessionlog.Ended
			if err := ev.Decode(&e); err != nil || e.State != sessionlog.OK {
				return fmt.Errorf("step ended %+v, %v", e, err)
			}
			return nil
		}
	}
}

// shell is the limit: the command alone, started by this process.
func shell(command string) error { return exec.Command("/bin/sh", "-c", command).Run() }

// BenchmarkRoundTrip runs `true` on one endpoint, from the asking to the durable
// end, and pairs it with the bare exec.
func BenchmarkRoundTrip(b *testing.B) {
	w := newBench(b, 1)
	var ours, bare []time.Duration
	for b.Loop() {
		begun := time.Now()
		if err := w.run(0, "true"); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(begun))
		begun = time.Now()
		if err := shell("true"); err != nil {
			b.Fatal(err)
		}
		bare = append(bare, time.Since(begun))
	}
	slices.Sort(ours)
	slices.Sort(bare)
	b.ReportMetric(0, "ns/op") // it would hold both
	b.ReportMetric(ms(ours[len(ours)/2]), "p50-ms")
	b.ReportMetric(ms(ours[len(ours)*99/100]), "p99-ms")
	b.ReportMetric(ms(bare[len(bare)/2]), "exec-p50-ms")
	b.ReportMetric(float64(ours[len(ours)/2])/float64(bare[len(bare)/2]), "ratio")
}

// BenchmarkFanOut runs `true` on many endpoints at once, and pairs it with as
// many bare execs on as many goroutines as there are cores.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{64, 256} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newBench(b, n)
			var ours, bare time.Duration
			for b.Loop() {
				begun := time.Now()
				all(b, n, n, func(i int) error { return w.run(i, "true") })
				ours += time.Since(begun)
				begun = time.Now()
				all(b, n, 4, func(int) error { return shell("true") })
				bare += time.Since(begun)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(ours)/float64(b.N), "ms/fan-out")
			b.ReportMetric(ms(bare)/float64(b.N), "exec-ms/fan-out")
			b.ReportMetric(float64(ours)/float64(bare), "ratio")
		})
	}
}

// all calls f for 0..n-1 on width goroutines.
func all(b *testing.B, n, width int, f func(int) error) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range width {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// bulk is how much BenchmarkBulk moves, and bulkCommand writes it.
const (
	bulk        = 60_000_000 // less than the output limit
	bulkCommand = "yes 0123456789012345678901234567890123456789012345678901234567890 | head -c 60000000"
)

// BenchmarkBulk moves 60 MB from one endpoint into its record, and pairs it
// with the same command writing to a file that is then synced.
func BenchmarkBulk(b *testing.B) {
	w := newBench(b, 1)
	file := filepath.Join(b.TempDir(), "bare")
	var ours, bare time.Duration
	for b.Loop() {
		begun := time.Now()
		if err := w.run(0, bulkCommand); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(begun)
		begun = time.Now()
		if err := bareBulk(file); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(begun)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bulk*float64(b.N)/1e6/ours.Seconds(), "MB/s")
	b.ReportMetric(bulk*float64(b.N)/1e6/bare.Seconds(), "file-MB/s")
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
}

func bareBulk(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Command("/bin/sh", "-c", bulkCommand)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := io.Copy(struct{ io.Writer }{f}, pipe); err != nil { // no splice: the bytes are looked at
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	return f.Sync()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
