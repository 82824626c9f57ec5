//go:build !linux

package network

import "github.com/caisey/caisey/agent/check"

// local returns the checks that not every system can be asked: none here. The hops of
// a path need raw ICMP, which Windows does not give; its firewall is not read.
func local() []check.Check { return nil }
