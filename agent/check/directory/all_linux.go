package directory

import "github.com/caisey/caisey/agent/check"

// local returns the checks that ask Linux, and Samba on it.
func local() []check.Check {
	return []check.Check{replication(sambaNeighbours), channel(), health(), share(), syncAll(), consistency()}
}
