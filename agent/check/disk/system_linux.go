package disk

import "github.com/caisey/caisey/agent/check/journal"

// A system is where the facts lie. Its zero value is this machine.
type system struct {
	journal journal.Journal
	// proc is where procfs is mounted; empty is /proc.
	proc string
	// fstab is the table of mounts; empty is /etc/fstab.
	fstab string
}

func (s system) procfs() string {
	if s.proc == "" {
		return "/proc"
	}
	return s.proc
}
