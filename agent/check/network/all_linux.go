package network

import "github.com/caisey/caisey/agent/check"

// local returns the checks that ask Linux.
func local() []check.Check { return []check.Check{route(), firewall()} }
