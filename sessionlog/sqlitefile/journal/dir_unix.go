//go:build unix

package journal

import "os"

// syncDir makes the names in d durable.
func syncDir(d *os.File) error { return d.Sync() }
