package network

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"github.com/prometheus/procfs"
)

// wiring returns what Linux knows of each interface, and whether gateways are known.
func wiring(out *check.Out) (map[string]wire, bool, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, false, fmt.Errorf("open procfs: %w", err)
	}
	routes, err := fs.NetRoute()
	if err != nil {
		return nil, false, fmt.Errorf("read routes: %w", err)
	}
	for _, name := range []string{"/proc/net/dev", "/proc/net/route", "/proc/net/ipv6_route"} {
		if b, err := os.ReadFile(name); err == nil {
			out.Raw(b[:min(len(b), maxRaw)])
		}
	}
	all := map[string]wire{}
	add := func(name, gateway string) {
		w := all[name]
		w.gateways = append(w.gateways, gateway)
		all[name] = w
	}
	for _, r := range routes {
		if r.Destination == 0 && r.Mask == 0 && r.Gateway != 0 {
			g := r.Gateway // in the order of the machine's bytes, which is the network's reversed
			add(r.Iface, net.IPv4(byte(g), byte(g>>8), byte(g>>16), byte(g>>24)).String())
		}
	}
	gateways6(add)
	servers, _ := nameServers()
	names, _ := filepath.Glob("/sys/class/net/*")
	for _, path := range names {
		name := filepath.Base(path)
		w := all[name]
		if len(w.gateways) > 0 {
			w.dns = servers
		}
		w.speed, w.real = linkOf(path)
		all[name] = w
	}
	return all, true, nil
}

// gateways6 adds the default gateways of IPv6.
func gateways6(add func(name, gateway string)) {
	b, err := os.ReadFile("/proc/net/ipv6_route")
	if err != nil {
		return // no IPv6
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		const fields, prefix, next, name = 10, 1, 4, 9
		if len(f) != fields || f[prefix] != "00" || strings.Trim(f[next], "0") == "" || len(f[next]) != 2*net.IPv6len {
			continue
		}
		ip := make(net.IP, net.IPv6len)
		for i := range ip {
			n, _ := strconv.ParseUint(f[next][2*i:2*i+2], 16, 8)
			ip[i] = byte(n)
		}
		add(f[name], ip.String())
	}
}

// linkOf returns the speed of a link, and whether there is hardware.
func linkOf(path string) (speed any, hardware bool) {
	if b, err := os.ReadFile(filepath.Join(path, "speed")); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n > 0 {
			speed = n
		}
	}
	_, err := os.Stat(filepath.Join(path, "device"))
	return speed, err == nil
}
