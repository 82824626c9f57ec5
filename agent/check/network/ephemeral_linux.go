package network

import (
	"fmt"
	"os"
)

// ephemeral returns how many ports outgoing connections have; 0 if it is not known.
func ephemeral() int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	var from, to int
	if _, err := fmt.Sscan(string(b), &from, &to); err != nil {
		return 0
	}
	return to - from + 1
}
