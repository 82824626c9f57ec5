//go:build !linux && !windows

package host

import "context"

// committed: the system sets no limit.
func committed(context.Context) (*float64, bool) { return nil, false }
