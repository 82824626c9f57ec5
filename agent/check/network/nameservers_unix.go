//go:build unix

package network

import (
	"fmt"

	"github.com/miekg/dns"
)

// nameServers returns the addresses of this machine's name servers.
func nameServers() ([]string, error) {
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, fmt.Errorf("read resolv.conf: %w", err)
	}
	return c.Servers, nil
}
