//go:build unix

package network

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// reason says an error with the system's name and number of it.
func reason(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return fmt.Sprintf("%v (%s, errno %d)", e, unix.ErrnoName(e), int(e))
	}
	return err.Error()
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
func isTimeout(err error) bool { return errors.Is(err, syscall.ETIMEDOUT) }
func isUnreachable(err error) bool {
	return errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EACCES)
}
