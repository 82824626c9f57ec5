//go:build !linux

package journal

import "os"

// A dataFile is a file.
type dataFile struct{ *os.File }
