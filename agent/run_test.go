package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/wire"
)

// enrolled makes the data directory of an enrolled agent.
func enrolled(t testing.TB, r *stubRelay) string {
	t.Helper()
	path := t.TempDir() + "/data"
	setUp(t, path, r)
	return path
}

func setUp(t testing.TB, path string, r *stubRelay) {
	t.Helper()
	d, err := openData(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if _, err := wire.LoadIdentity(d.file("agent.key")); err != nil {
		t.Fatal(err)
	}
	e := Enrolment{Endpoint: "e", Client: "c", Name: "n", RelayKey: r.identity.Public(), Addr: r.addr()}
	if err := d.writeEnrolment(e); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// diskUse returns how many bytes of files are in dir.
func diskUse(t testing.TB, dir string) (size int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}

// runAgent runs an agent until the test ends or stop is called, which returns
// when it has ended.
func runAgent(t testing.TB, cfg Config) (stop func()) {
	t.Helper()
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// eventually polls what a real process or file system does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not within 20 s: " + what)
		}
	}
}

func describe(e *wire.Exit) string {
	return fmt.Sprintf("%v code %d signal %q why %q", e.GetState(), e.GetCode(), e.GetSignal(), e.GetWhy())
}
