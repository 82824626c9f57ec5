package sqlitefile

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Free returns how many bytes may still be written to the directory's disk.
func (d *Dir) Free() (int64, error) {
	path, err := windows.UTF16PtrFromString(d.path)
	var free uint64
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(path, &free, nil, nil)
	}
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", d.path, err)
	}
	return int64(free), nil
}
