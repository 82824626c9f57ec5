//go:build unix

package sqlitefile

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free returns how many bytes may still be written to the directory's disk.
func (d *Dir) Free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.path, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", d.path, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
