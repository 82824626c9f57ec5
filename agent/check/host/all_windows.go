package host

import "github.com/caisey/caisey/agent/check"

// local returns the checks that ask Windows.
func local() []check.Check { return []check.Check{rebootPending(rebootReasons)} }

// readPressure: Windows counts no stalls.
func readPressure(*check.Out) pressure { return pressure{} }
