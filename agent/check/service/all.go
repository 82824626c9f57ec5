package service

import "github.com/caisey/caisey/agent/check"

// All returns the checks of the family that this operating system can be asked.
func All() []check.Check {
	return append(local(), backupLast(), connstr())
}
