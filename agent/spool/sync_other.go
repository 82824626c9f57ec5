//go:build !linux

package spool

import "os"

// syncData puts the data of f on disk.
func syncData(f *os.File) error { return f.Sync() }
