//go:build linux

package agent

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caisey/caisey/relay/wire"
)

// seq returns what the command of that name prints.
func seq(t *testing.T, n int) []byte {
	t.Helper()
	out, err := exec.Command("seq", fmt.Sprint(n)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// peak returns the most memory that a process has had, in bytes.
func peak(t *testing.T, pid int) (n int64) {
	t.Helper()
	status := readFile(t, fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(status, "VmHWM:")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// Of a command that writes far more than the limit, head and tail are kept; the
// agent stays small, on disk too, and the command never waits.
func TestFlood(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	cmd := child(t, data)
	c := r.agent()
	const limit, command = 8 << 20, "seq 2000000 >&2 & seq 24000000; wait"
	s := c.startLimited("S1", command, limit)
	exit := s.exit() // nothing is acknowledged until the end
	if exit.GetState() != wire.Exit_STATE_OK {
		t.Fatal(describe(exit))
	}
	out, err := seq(t, 24_000_000), seq(t, 2_000_000)
	if len(out) < 200_000_000 {
		t.Fatal(len(out))
	}
	n := s.checkLeftOut(1, out) + s.checkLeftOut(2, err)
	if n > limit || n < limit*3/4 {
		t.Errorf("%d bytes were sent of %d", n, limit)
	}
	checkStatement(t, data, "S1", command, exit, out, err)
	if size := peak(t, cmd.Process.Pid); size > 100<<20 {
		t.Errorf("the agent grew to %d MiB", size>>20)
	}
	if size := diskUse(t, filepath.Join(data, "spool", "S1")); size > limit+1<<20 {
		t.Errorf("the spool has %d bytes", size)
	}
	s.ack()
	s.done()
}

// What a command writes after the head is in memory only: an agent that is killed
// then leaves a true beginning, and states nothing.
func TestKilledInFlood(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	first := child(t, data)
	const limit = 1 << 20
	flag := filepath.Join(t.TempDir(), "flag")
	s := r.agent().startLimited("S1", "seq 1000000; touch "+flag+"; sleep 60", limit)
	eventually(t, "the output is written", func() bool { return exists(flag) })
	for s.next[1] < limit/2 {
		if _, err := s.read(); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	child(t, data)
	s = r.agent().resume("S1", s)
	exit := s.exit()
	if exit.GetState() != wire.Exit_STATE_LOST || len(exit.GetStatement()) != 0 || len(s.gaps[1]) != 0 {
		t.Fatal(describe(exit), s.gaps[1])
	}
	if want := seq(t, 1_000_000); s.out[1].Len() < limit*5/8-32<<10 || !bytes.HasPrefix(want, s.out[1].Bytes()) {
		t.Fatalf("%d bytes, or other ones", s.out[1].Len())
	}
	s.done()
}

// An agent that is stopped keeps the tail of what it stops.
func TestStoppedInFlood(t *testing.T) {
	r := newStub(t)
	data := enrolled(t, r)
	first := child(t, data)
	const limit = 1 << 20
	flag := filepath.Join(t.TempDir(), "flag")
	command := "seq 1000000; touch " + flag + "; sleep 60"
	s := r.agent().startLimited("S1", command, limit)
	eventually(t, "the output is written", func() bool { return exists(flag) })
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exit := s.exit()
	if exit.GetState() != wire.Exit_STATE_LOST || exit.GetWhy() != whyStopped {
		t.Fatal(describe(exit))
	}
	out := seq(t, 1_000_000)
	s.checkLeftOut(1, out)
	checkStatement(t, data, "S1", command, exit, out, nil)
	s.say(&wire.ToStep{Message: &wire.ToStep_Done{Done: &wire.Done{}}})
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
}
