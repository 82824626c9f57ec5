package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A dataFile flushes data and size, and no times.
type dataFile struct{ *os.File }

// Sync is fdatasync.
func (f dataFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
