package foreign

import (
	"os"

	"golang.org/x/sys/unix"
)

// widen lets a pipe hold a whole usual answer, so that parent and child do not
// take turns at each 64 KiB. A system that refuses leaves it as it was.
func widen(pipe *os.File) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20)
	})
}
