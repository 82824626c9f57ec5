// Package directory asks about the domain that a machine belongs to: names, logons, time and replication.
package directory
