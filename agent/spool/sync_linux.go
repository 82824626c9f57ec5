package spool

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData puts the data of f on disk.
func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
