//go:build linux

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/caisey/caisey/relay/wire"
)

const childEnv = "CAISEY_TEST_AGENT_DATA"

// TestMain is also an agent of its own, for tests that kill one.
func TestMain(m *testing.M) {
	if data := os.Getenv(childEnv); data != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := Run(ctx, Config{Data: data, Log: slog.Default()}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child runs an agent in a process of its own.
func child(t *testing.T, data string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+data)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !bytes.Contains(b, []byte(") Z "))
}

// An agent that is killed loses no output that its commands had written, starts
// none again, and leaves no process behind.
func TestKilledAgent(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	first := child(t, data)
	c := r.agent()
	pids := filepath.Join(t.TempDir(), "pids")
	// The subshells ignore what kills by asking; their own pids are in the file.
	s := c.start("S1", "(trap '' TERM HUP INT; sh -c 'echo $PPID'; while :; do sleep 1; done) >> "+pids+
		" & echo $! $$ >> "+pids+"; seq 100000; echo said; sleep 60")
	for !strings.HasSuffix(s.out[1].String(), "said\n") {
		if _, err := s.read(); err != nil {
			t.Fatal(err)
		}
		if s.next[1] < 200_000 {
			s.ack() // some is acknowledged, some is not
		}
	}
	want := s.out[1].String()
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	for range 3 { // dying on the way back changes nothing
		again := child(t, data)
		_ = r.agent()
		_ = again.Process.Kill()
		_ = again.Wait()
	}
	child(t, data)
	c = r.agent()
	if fmt.Sprint(c.hello.GetSteps()) != "[S1]" {
		t.Fatalf("hello lists %v", c.hello.GetSteps())
	}
	// The record stands before what this relay last heard: all of that comes again.
	at := &stubStep{t: t}
	at.next[1] = 200_000
	at.out[1].WriteString(want[:200_000])
	s = c.resume("S1", at)
	exit := s.exit()
	if exit.GetState() != wire.Exit_STATE_LOST || exit.GetWhy() != "the agent ended while the command ran" {
		t.Fatal(describe(exit))
	}
	if s.out[1].String() != want || len(exit.GetTotals()) != 1 {
		t.Fatalf("%d bytes, not %d; totals %v", s.out[1].Len(), len(want), exit.GetTotals())
	}
	for _, field := range strings.Fields(readFile(t, pids)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, field+" is dead", func() bool { return !alive(pid) })
	}
	s = c.start("S1", "true") // of a step that is held: tells its end, starts nothing
	if exit := s.exit(); exit.GetState() != wire.Exit_STATE_LOST {
		t.Fatal(describe(exit))
	}
	s.done()
	if r := c.start("S1", "true").refused(); r.GetCode() != wire.Refused_CODE_DENIED {
		t.Fatal(r)
	}
}

// An agent that is asked to stop ends its commands and tells what became of them,
// at once or after the restart.
func TestStoppedAgent(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	agent := child(t, data)
	c := r.agent()
	told, untold := c.start("S1", "echo up; sleep 60"), c.start("S2", "echo up; sleep 60")
	for _, s := range []*stubStep{told, untold} {
		for s.next[1] == 0 {
			if _, err := s.read(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exit := told.exit()
	if exit.GetState() != wire.Exit_STATE_LOST || exit.GetWhy() != whyStopped {
		t.Fatal(describe(exit))
	}
	told.done()
	if d := <-c.drains; d.GetWhy() == "" {
		t.Fatal("no reason to drain")
	}
	if r := c.start("S3", "true").refused(); r.GetCode() != wire.Refused_CODE_BUSY {
		t.Fatal(r)
	}
	if err := agent.Wait(); err != nil {
		t.Fatal(err)
	}
	child(t, data)
	c = r.agent()
	if fmt.Sprint(c.hello.GetSteps()) != "[S2]" {
		t.Fatalf("hello lists %v", c.hello.GetSteps())
	}
	s := c.resume("S2", nil)
	if exit := s.exit(); exit.GetState() != wire.Exit_STATE_LOST || exit.GetWhy() != whyStopped || s.out[1].String() != "up\n" {
		t.Fatal(describe(exit))
	}
	s.done()
}

func TestOneAgentADirectory(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	child(t, data)
	r.agent()
	err := Run(t.Context(), Config{Data: data})
	if err == nil || !strings.Contains(err.Error(), "another agent uses it") {
		t.Fatal(err)
	}
}

func TestNotEnrolled(t *testing.T) {
	if err := Run(t.Context(), Config{Data: t.TempDir()}); !errors.Is(err, ErrNotEnrolled) {
		t.Fatal(err)
	}
}
