//go:build !linux

package network

// ephemeral returns how many ports outgoing connections have by default: 49152 to
// 65535 on Windows and macOS.
func ephemeral() int { return 65536 - 49152 }
