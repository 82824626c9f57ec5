//go:build unix

package tui

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/sessionlog"
)

// busyPanes returns a model of 160x48 with n panes that run a command each.
func busyPanes(tb testing.TB, n int) *Model {
	w := newWorld(nil)
	m := New(Config{Backend: w})
	tb.Cleanup(m.Close)
	m.Update(tea.WindowSizeMsg{Width: 160, Height: 48})
	for i := range n {
		p := &pane{name: fmt.Sprintf("acme/srv%02d", i), stale: true, stream: &stream{}}
		p.stream.wake = func() { m.pacer.wake(m.focused.Load() == p) }
		m.work.panes = append(m.work.panes, p)
		step := sessionlog.StepID(fmt.Sprint(i))
		p.stream.apply(sessionlog.New(sessionlog.StepRequested, "technician:ana", step, sessionlog.Requested{Command: "tail -f"}))
		p.stream.apply(sessionlog.New(sessionlog.StepStarted, "agent:x", step, sessionlog.Started{}))
	}
	m.show(screenWorkspace)
	return m
}

// feed adds lines to every pane, of which no two are the same.
func (m *Model) feed(from, lines int) int {
	var text []byte
	for i := from; i < from+lines; i++ {
		text = fmt.Appendf(text, "14:47:05 \x1b[32mINFO\x1b[0m replication ok, %d objects in 0.%d s from DC%d\n", i, i%97, i%13)
	}
	for i, p := range m.work.panes {
		p.stream.apply(sessionlog.NewOutput("agent:x", sessionlog.StepID(fmt.Sprint(i)), sessionlog.Chunk{Stream: sessionlog.Stdout, Data: text}))
		p.stream.say("")
	}
	return from + lines
}

// BenchmarkFrame is one frame of 16 panes into which 40 lines each came.
func BenchmarkFrame(b *testing.B) {
	m := busyPanes(b, 16)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		n = m.feed(n, 40)
		b.StartTimer()
		m.Update(wakeMsg{all: true})
		_ = m.View()
	}
}

// BenchmarkIngest is what the lines themselves cost, drawn or not.
func BenchmarkIngest(b *testing.B) {
	m := busyPanes(b, 16)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n = m.feed(n, 40)
	}
}

type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

func cpu() time.Duration {
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// BenchmarkBusyViewer runs a program with 16 panes of 1,000 lines/s each and
// tells the share of a core that it takes and the bytes a second that it writes.
func BenchmarkBusyViewer(b *testing.B) {
	m := busyPanes(b, 16)
	n := 0
	var out counter
	in, hold := io.Pipe()
	prog := tea.NewProgram(m, tea.WithInput(in), tea.WithOutput(&out), tea.WithWindowSize(160, 48),
		tea.WithoutSignalHandler(), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := prog.Run(); err != nil && !errors.Is(err, tea.ErrProgramKilled) {
			b.Error(err)
		}
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 5 {
		<-tick.C
		n = m.feed(n, 100)
	}
	began, used, wrote := time.Now(), cpu(), out.n.Load()
	for b.Loop() {
		<-tick.C
		n = m.feed(n, 100)
	}
	took := time.Since(began)
	b.ReportMetric(100*float64(cpu()-used)/float64(took), "%core")
	b.ReportMetric(float64(out.n.Load()-wrote)/took.Seconds()/1000, "kB/s")
	prog.Kill()
	hold.Close()
	<-done
}

// TestIdleWritesNothing asserts that an interface at rest neither draws nor
// wakes.
func TestIdleWritesNothing(t *testing.T) {
	_, term := openPanes(t, 80, 24, "db01", "db02")
	term.see("FOCUS")
	size := func() int {
		term.mu.Lock()
		defer term.mu.Unlock()
		return term.raw.Len()
	}
	last := size()
	quiet := time.NewTimer(500 * time.Millisecond)
	deadline := time.After(10 * time.Second)
	for {
		select {
		case <-term.changed:
			quiet.Reset(500 * time.Millisecond)
			last = size()
		case <-quiet.C:
			if now := size(); now != last {
				t.Errorf("%d bytes were written at rest", now-last)
			}
			return
		case <-deadline:
			t.Fatal("it never comes to rest")
		}
	}
}
