// Package network asks about what a machine's network reaches, and what answers there.
package network
