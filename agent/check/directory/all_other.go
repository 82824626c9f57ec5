//go:build !linux

package directory

import "github.com/caisey/caisey/agent/check"

// local returns the checks that not every system can be asked: here, replication as
// LDAP tells it.
func local() []check.Check { return []check.Check{replication(nil)} }
