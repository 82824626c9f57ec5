// Package service asks about the services, logs and tasks of a machine.
package service
