//go:build unix

package check

import (
	"errors"
	"io/fs"
)

// private reports why others than the file's owner may read it.
func private(info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return errors.New("may be read by others")
	}
	return nil
}
