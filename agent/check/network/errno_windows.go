package network

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/windows"
)

// reason says an error with the system's number of it.
func reason(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return fmt.Sprintf("%v (error %d)", e, int(e))
	}
	return err.Error()
}

func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
func isTimeout(err error) bool { return errors.Is(err, windows.WSAETIMEDOUT) }
func isUnreachable(err error) bool {
	return errors.Is(err, windows.WSAEHOSTUNREACH) || errors.Is(err, windows.WSAENETUNREACH) || errors.Is(err, windows.WSAEACCES)
}
