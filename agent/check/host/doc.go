// Package host asks about what the machine itself is like: its load, its processes, its past.
package host
