// Package disk asks about what a machine's disks hold, and how fast and how well they are.
package disk
