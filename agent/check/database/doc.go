// Package database asks about the databases of a machine, and what stands between them and their clients.
//
// A server is asked as the agent's own user where that can be: over the local socket of
// PostgreSQL and MariaDB, with the service's account on Windows. Else with a secret
// that the endpoint holds. A server of another machine is only asked with a secret that
// names it, so nobody who asks can have a password sent where it does not belong.
//
// The checks mssql.* have never run against a SQL Server: what they ask is written
// after its documentation, and what they make of the answers is tested with rows of the
// documented form. mysql.health is tested with MariaDB; MySQL has the same views.
package database
