//go:build !linux && !windows

package service

import "github.com/caisey/caisey/agent/check"

// local returns the checks that need nothing of the operating system but files and
// sockets.
func local() []check.Check { return []check.Check{containers(nil), tlsStore()} }
