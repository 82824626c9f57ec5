package host

import (
	"path/filepath"

	"github.com/caisey/caisey/agent/check/journal"
)

// A system is where the facts lie. Its zero value is this machine.
type system struct {
	journal journal.Journal
	// root is what /var, /etc, /run, /boot, /proc and /sys lie in; empty is /.
	root string
	// release is the running kernel's; empty is what uname says.
	release string
}

func (s system) path(name string) string { return filepath.Join("/", s.root, name) }
