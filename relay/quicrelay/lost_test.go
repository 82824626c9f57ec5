package quicrelay

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisey/caisey/agent"
	"github.com/caisey/caisey/relay/console"
)

// A logbook is a log that is read while it is written.
type logbook struct {
	mu sync.Mutex // guards what follows
	b  bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A host has an agent, which can be stopped and started again.
type host struct {
	s    *station
	data string
	log  *logbook
	stop func()
}

func (m *host) start() {
	m.s.t.Helper()
	m.log = &logbook{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- agent.Run(ctx, agent.Config{Data: m.data, Log: slog.New(slog.NewTextHandler(m.log, nil))})
	}()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			m.s.t.Errorf("agent: %v", err)
		}
	})
	m.s.t.Cleanup(m.stop)
}

// status waits until the agent has noted that it is connected, or is not and why.
func (m *host) status(ok func(agent.Status) bool) agent.Status {
	m.s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		if st, err := agent.ReadStatus(m.data); err == nil && ok(st) {
			return st
		} else if time.Now().After(end) {
			m.s.t.Fatalf("%+v, %v", st, err)
		}
	}
}

func connected(st agent.Status) bool { return st.Connected }

// connects starts the agent, waits until the relay knows that it kept what it was
// given, and stops it.
func (m *host) connects(n uint64) {
	m.s.t.Helper()
	m.start()
	m.status(connected)
	ep := m.s.awaitEndpoint("db01", func(e console.Endpoint) bool { return e.Online })
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		track := m.s.server.resumes.lock(ep.ID)
		got := number(track.shown)
		track.mu.Unlock()
		if got == n {
			break
		}
		if time.Now().After(end) {
			m.s.t.Fatalf("the relay knows number %d, want %d", got, n)
		}
	}
	m.stop()
	m.s.awaitEndpoint("db01", func(e console.Endpoint) bool { return !e.Online })
}

func (s *station) host() *host {
	s.t.Helper()
	m := &host{s: s, data: s.t.TempDir()}
	if _, err := agent.Enroll(s.t.Context(), s.token(), agent.Config{Data: m.data, Name: "db01"}); err != nil {
		s.t.Fatal(err)
	}
	return m
}

// An agent that has lost or damaged what shows that it is no copy goes the way of a
// copy: it runs on, says why it is not connected and what to do, and is back when an
// admin has cleared it.
func TestLostResumeIsQuarantined(t *testing.T) {
	damage := func(spoil func(file string) error) func(t *testing.T, data string) {
		return func(t *testing.T, data string) {
			for _, name := range []string{"resume", "resume.old"} {
				if err := spoil(filepath.Join(data, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for name, spoil := range map[string]func(t *testing.T, data string){
		"short":   damage(func(file string) error { return os.Truncate(file, 7) }),
		"torn":    damage(func(file string) error { return os.WriteFile(file, make([]byte, 80), 0o600) }),
		"missing": damage(os.Remove),
		"unreadable": damage(func(file string) error { // root can read any file
			_ = os.Remove(file)
			return os.Mkdir(file, 0o700)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			m := s.host()
			m.connects(1)
			spoil(t, m.data)
			m.start()
			st := m.status(func(st agent.Status) bool { return strings.HasPrefix(st.Why, "refused: ") })
			if !strings.Contains(st.Why, "endpoint clear") {
				t.Errorf("status says %q", st.Why)
			}
			if fault := agent.ResumeFault(m.data); !strings.Contains(fault, "endpoint clear") {
				t.Errorf("the fault is %q", fault)
			}
			ep := s.awaitEndpoint("db01", func(e console.Endpoint) bool { return e.Quarantined && !e.Online })
			m.stop() // it ran all the time
			for _, want := range []string{"is damaged or lost", "what shows that this is no copy of the endpoint was lost", "endpoint clear"} {
				if !strings.Contains(m.log.String(), want) {
					t.Errorf("no %q in the log:\n%s", want, m.log)
				}
			}
			if _, err := s.root.Do(t.Context(), console.ClearEndpoint{Endpoint: ep.ID}); err != nil {
				t.Fatal(err)
			}
			if name == "unreadable" {
				for _, file := range []string{"resume", "resume.old"} {
					if err := os.Remove(filepath.Join(m.data, file)); err != nil {
						t.Fatal(err)
					}
				}
			}
			m.connects(1)
			m.connects(2)
			if fault := agent.ResumeFault(m.data); fault != "" {
				t.Errorf("after it was cleared: %q", fault)
			}
		})
	}
}

// A write that was torn before the relay heard that it was done costs nothing.
func TestTornResumeIsForgiven(t *testing.T) {
	s := newStation(t)
	m := s.host()
	m.connects(1)
	good, err := os.ReadFile(filepath.Join(m.data, "resume"))
	if err != nil {
		t.Fatal(err)
	}
	// The agent was given number 2, and lost power: number 1 was put aside before.
	if err := os.WriteFile(filepath.Join(m.data, "resume.old"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.data, "resume"), good[:20], 0o600); err != nil {
		t.Fatal(err)
	}
	m.connects(2)
	if !strings.Contains(m.log.String(), "the one before it is used") {
		t.Errorf("the log does not say so:\n%s", m.log)
	}
	m.connects(3)
	if strings.Contains(m.log.String(), "level=ERROR") || s.told("endpoint.cloned") != 0 {
		t.Errorf("it is not well again:\n%s", m.log)
	}
}

// A machine that is put back to an older state cannot be told from a copy, until an
// admin has said that it is none.
func TestRestoredSnapshotIsQuarantined(t *testing.T) {
	s := newStation(t)
	m := s.host()
	m.connects(1)
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	if err := os.CopyFS(snapshot, os.DirFS(m.data)); err != nil {
		t.Fatal(err)
	}
	m.connects(2)
	m.connects(3)
	m.data = snapshot
	m.start()
	st := m.status(func(st agent.Status) bool { return strings.HasPrefix(st.Why, "refused: ") })
	if !strings.Contains(st.Why, "put back to an older state") || !strings.Contains(st.Why, "endpoint clear") {
		t.Errorf("status says %q", st.Why)
	}
	ep := s.awaitEndpoint("db01", func(e console.Endpoint) bool { return e.Quarantined })
	m.stop()
	if _, err := s.root.Do(t.Context(), console.ClearEndpoint{Endpoint: ep.ID}); err != nil {
		t.Fatal(err)
	}
	m.connects(2)
}
