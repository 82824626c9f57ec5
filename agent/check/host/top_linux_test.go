package host

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
)

// start runs a shell script until the test ends, and returns its process ID.
func start(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", script, "secret-argument")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return fmt.Sprint(cmd.Process.Pid)
}

func TestTop(t *testing.T) {
	pid := start(t, "while :; do :; done")
	a := checktest.Ask(t, procTop(), "sample", "300ms", "n", "500", "cpu", "0.5", "handles", "101", "young", "0s")
	i := slices.Index(a.Column(t, "", "pid"), pid)
	if i < 0 {
		t.Fatalf("the process %s is not among %v", pid, a.Column(t, "", "pid"))
	}
	if name := a.Column(t, "", "name")[i]; name != "sh" && name != "dash" && name != "bash" {
		t.Errorf("name %q", name)
	}
	for _, f := range a.Findings {
		if strings.Contains(f.Text, "("+pid+")") && f.Param == "cpu" && slices.Equal(f.Rows, []int{i}) {
			return
		}
	}
	t.Errorf("no finding about %s: %+v", pid, a.Findings)
}

// TestTopHandles has a process that may open 20 files and opens 18 beside its own.
func TestTopHandles(t *testing.T) {
	script := "ulimit -n 20; exec 3<>/dev/null 4<&3 5<&3 6<&3 7<&3 8<&3 9<&3; read x </dev/zero"
	pid := start(t, script)
	args := []string{"sample", "100ms", "by", "mem", "n", "500", "cpu", "101", "handles", "40", "young", "0s"}
	a := checktest.Ask(t, procTop(), args...)
	for _, f := range a.Findings {
		if strings.Contains(f.Text, "("+pid+") has ") && strings.Contains(f.Text, " of 20 files open") {
			return
		}
	}
	t.Errorf("no finding about %s: %+v", pid, a.Findings)
}

func TestTopFine(t *testing.T) {
	a := checktest.Ask(t, procTop(), "sample", "10ms", "n", "3", "cpu", "101", "handles", "101", "young", "0s")
	a.Fine(t)
	if n := len(a.Column(t, "", "pid")); n == 0 || n > 3 {
		t.Errorf("%d rows", n)
	}
}
