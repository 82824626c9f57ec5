//go:build !linux && !windows

package host

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	pshost "github.com/shirou/gopsutil/v4/host"
)

// local returns the checks that not every system can be asked: none here.
func local() []check.Check { return nil }

// readPressure: only Linux counts stalls.
func readPressure(*check.Out) pressure { return pressure{} }

// readSessions returns who is logged in.
func readSessions(ctx context.Context, _ *check.Out) ([]session, error) {
	all, err := pshost.UsersWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	sessions := make([]session, 0, len(all))
	for _, u := range all {
		sessions = append(sessions, session{user: u.User, name: u.Terminal, state: "active", from: u.Host, since: time.Unix(int64(u.Started), 0)})
	}
	return sessions, nil
}
