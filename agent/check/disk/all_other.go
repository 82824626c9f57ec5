//go:build !linux

package disk

import "github.com/caisey/caisey/agent/check"

// local returns the checks that only Linux can be asked: none here.
func local() []check.Check { return nil }
