package network

import (
	"math"

	"github.com/caisey/caisey/agent/check"
	"golang.org/x/sys/windows"
)

// wiring returns what Windows knows of each interface, and whether gateways are known.
func wiring(*check.Out) (map[string]wire, bool, error) {
	list, err := adapters()
	if err != nil {
		return nil, false, err
	}
	const wired = 6 // IF_TYPE_ETHERNET_CSMACD
	all := map[string]wire{}
	for _, a := range list {
		w := wire{gateways: gatewaysOf(a), dns: dnsOf(a), real: a.IfType == wired}
		if a.TransmitLinkSpeed > 0 && a.TransmitLinkSpeed != math.MaxUint64 {
			w.speed = int(a.TransmitLinkSpeed / 1_000_000)
		}
		all[windows.UTF16PtrToString(a.FriendlyName)] = w
	}
	return all, true, nil
}
