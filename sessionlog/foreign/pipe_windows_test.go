package foreign

import (
	"os"
	"testing"
)

// makePipe makes something else that is no regular file: Windows has no such pipes.
func makePipe(t *testing.T, path string) {
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// wantGone fails unless the child was waited for.
func wantGone(t *testing.T, r *Record) {
	t.Helper()
	if r.child.cmd.ProcessState == nil {
		t.Errorf("process %d is there", r.child.cmd.Process.Pid)
	}
}
