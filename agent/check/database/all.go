package database

import "github.com/caisey/caisey/agent/check"

// All returns the checks of the family that this operating system can be asked.
func All() []check.Check {
	return []check.Check{
		pgHealth(), pgKill(), mysqlHealth(),
		mssqlUp(openMSSQL), mssqlConns(openMSSQL), mssqlBlock(openMSSQL), mssqlIO(openMSSQL),
		mssqlWaits(openMSSQL), mssqlHA(openMSSQL), mssqlKill(openMSSQL),
	}
}
