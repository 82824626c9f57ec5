package service

import "github.com/caisey/caisey/agent/check"

// local returns the checks that ask Linux.
func local() []check.Check {
	m := machine{}
	return []check.Check{
		svcStatus(m.services), svcFailed(m.failures), svcRestart(m.restarter()),
		logErrors(m.logErrors), m.logWatch(), m.authFail(), m.taskRecent(),
		containers(nil), tlsStore(), m.timeResync(), m.dnsFlush(),
	}
}
