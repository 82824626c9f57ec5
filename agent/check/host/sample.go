package host

import (
	"context"
	"time"
)

// watch returns when d is over, or when ctx ends with why.
func watch(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
