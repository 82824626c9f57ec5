package service

import "github.com/caisey/caisey/agent/check"

// local returns the checks that ask Windows.
func local() []check.Check {
	m := scm{}
	return []check.Check{
		svcStatus(m.services), svcFailed(m.failures), svcRestart(restarter{list: m.services, restart: m.restart}),
		logErrors(eventErrors), iisPool(readPools),
	}
}
