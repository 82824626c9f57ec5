package tui

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/ssh"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"go.uber.org/goleak"
)

// TestMain looks for goroutines left behind. The one that is let pass is the
// library's own: its reader waits for ever with what was typed after the end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/charmbracelet/ultraviolet.(*TerminalReader).sendEvents"))
}

// A terminal is an emulated terminal with the program in it.
type terminal struct {
	t     *testing.T
	model *Model
	prog  *tea.Program
	emu   *vt.SafeEmulator
	input *queue
	done  chan error

	mu      sync.Mutex
	raw     bytes.Buffer // all that the program wrote
	changed chan struct{}
}

// A queue is a pipe that never blocks its writer.
type queue struct {
	mu     sync.Mutex
	cond   sync.Cond
	buf    []byte
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.cond.L = &q.mu
	return q
}

func (q *queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.buf = append(q.buf, p...)
	q.cond.Signal()
	return len(p), nil
}

func (q *queue) Read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.buf) == 0 && !q.closed {
		q.cond.Wait()
	}
	if len(q.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, q.buf)
	q.buf = q.buf[n:]
	return n, nil
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.cond.Broadcast()
}

// Write is what the program writes to.
func (t *terminal) Write(p []byte) (int, error) {
	n, err := t.emu.Write(p)
	t.mu.Lock()
	t.raw.Write(p)
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return n, err
}

// start runs a Model in a terminal of w x h cells. The test ends it.
func start(t *testing.T, w, h int, cfg Config) *terminal {
	t.Helper()
	term := &terminal{
		t: t, model: New(cfg), emu: vt.NewSafeEmulator(w, h), input: newQueue(),
		done: make(chan error, 1), changed: make(chan struct{}, 1),
	}
	var answers sync.WaitGroup
	answers.Go(func() { _, _ = io.Copy(term.input, term.emu) })
	term.prog = tea.NewProgram(term.model, tea.WithInput(term.input), tea.WithOutput(ssh.NewPtyWriter(term)),
		tea.WithWindowSize(w, h), tea.WithoutSignalHandler(), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
	go func() {
		_, err := term.prog.Run()
		term.done <- err
	}()
	t.Cleanup(func() {
		term.prog.Kill()
		if err, open := <-term.done; open && err != nil && err != tea.ErrProgramKilled && !strings.Contains(err.Error(), "killed") {
			t.Errorf("program: %v", err)
		}
		term.model.Close()
		term.emu.InputPipe().(io.Closer).Close() // its own Close races with Read
		answers.Wait()
		term.input.close()
		if os.Getenv("SCREENS") != "" {
			fmt.Println(term.screen())
		}
	})
	return term
}

// keys types text as it is.
func (t *terminal) keys(s string) { _, _ = t.input.Write([]byte(s)) }

// screen returns what is seen.
func (t *terminal) screen() string { return ansi.Strip(t.emu.Render()) }

// until waits for a screen that holds for ok.
func (t *terminal) until(what string, ok func(screen string) bool) string {
	t.t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for {
		if s := t.screen(); ok(s) {
			return s
		}
		select {
		case <-t.changed:
		case <-deadline.C:
			t.t.Fatalf("no screen with %s; the last is\n%s", what, t.screen())
		}
	}
}

// see waits for a screen that has all of texts.
func (t *terminal) see(texts ...string) string {
	t.t.Helper()
	return t.until(fmt.Sprintf("%q", texts), func(s string) bool {
		for _, text := range texts {
			if !strings.Contains(s, text) {
				return false
			}
		}
		return true
	})
}

// lose waits for a screen without text.
func (t *terminal) lose(text string) string {
	t.t.Helper()
	return t.until(fmt.Sprintf("no %q", text), func(s string) bool { return !strings.Contains(s, text) })
}

// ended waits for the end of the program.
func (t *terminal) ended() {
	t.t.Helper()
	select {
	case err := <-t.done:
		if err != nil {
			t.t.Errorf("program: %v", err)
		}
		close(t.done)
	case <-time.After(10 * time.Second):
		t.t.Fatalf("the program goes on:\n%s", t.screen())
	}
}

// line returns the row of the screen that has text.
func line(screen, text string) string {
	for row := range strings.Lines(screen) {
		if strings.Contains(row, text) {
			return strings.TrimRight(row, "\n")
		}
	}
	return ""
}
