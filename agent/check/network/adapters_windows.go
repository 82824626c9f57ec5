package network

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// adapters returns the machine's network adapters.
func adapters() ([]*windows.IpAdapterAddresses, error) {
	const flags = windows.GAA_FLAG_INCLUDE_PREFIX | windows.GAA_FLAG_INCLUDE_GATEWAYS
	size := uint32(16 << 10)
	for range 5 {
		b := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&b[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		if errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read adapters: %w", err)
		}
		var list []*windows.IpAdapterAddresses
		for a := first; a != nil; a = a.Next {
			list = append(list, a)
		}
		return list, nil
	}
	return nil, errors.New("read adapters: they change all the time")
}

// nameServers returns the addresses of this machine's name servers.
func nameServers() ([]string, error) {
	list, err := adapters()
	var servers []string
	for _, a := range list {
		if a.OperStatus != windows.IfOperStatusUp {
			continue
		}
		for _, s := range dnsOf(a) {
			if !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
	}
	return servers, err
}

func dnsOf(a *windows.IpAdapterAddresses) (list []string) {
	for d := a.FirstDnsServerAddress; d != nil; d = d.Next {
		if ip := d.Address.IP(); ip != nil {
			list = append(list, ip.String())
		}
	}
	return list
}

func gatewaysOf(a *windows.IpAdapterAddresses) (list []string) {
	for g := a.FirstGatewayAddress; g != nil; g = g.Next {
		if ip := g.Address.IP(); ip != nil {
			list = append(list, ip.String())
		}
	}
	return list
}
