package host

import (
	"context"

	"github.com/caisey/caisey/agent/check"
)

// local returns the checks that ask Linux.
func local() []check.Check {
	s := system{}
	return []check.Check{oomKills(s), bootHistory(s), rebootPending(s.rebootReasons), updRecent(s), changeRecent(s)}
}

func readPressure(out *check.Out) pressure { return system{}.pressure(out) }

func readSessions(ctx context.Context, out *check.Out) ([]session, error) {
	return system{}.sessions(ctx, out)
}
