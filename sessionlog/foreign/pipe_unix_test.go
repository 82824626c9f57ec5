//go:build linux || darwin

package foreign

import (
	"testing"

	"golang.org/x/sys/unix"
)

func makePipe(t *testing.T, path string) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantGone fails if the child's process is there, be it dead and not waited for.
func wantGone(t *testing.T, r *Record) {
	t.Helper()
	if err := unix.Kill(r.child.cmd.Process.Pid, 0); err != unix.ESRCH {
		t.Errorf("process %d: %v", r.child.cmd.Process.Pid, err)
	}
}
