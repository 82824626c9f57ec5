package network

import (
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
)

// TestPath: this namespace, a router, and a host behind a link that takes 1400 bytes.
func TestPath(t *testing.T) {
	if !inside(t) {
		return
	}
	router, host := newSpace(t), newSpace(t)
	run(t, "ip", "link", "add", "a0", "type", "veth", "peer", "name", "r0", "netns", router.pid)
	run(t, "sh", "-ec", "ip addr add 10.0.1.1/24 dev a0; ip link set a0 up; ip route add default via 10.0.1.2")
	router.sh("ip link add r1 type veth peer name b0 netns " + host.pid)
	router.sh("ip addr add 10.0.1.2/24 dev r0; ip addr add 10.0.2.1/24 dev r1; ip link set r0 up; ip link set r1 mtu 1400 up; echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit")
	host.sh("ip addr add 10.0.2.2/24 dev b0; ip link set b0 mtu 1400 up; ip route add default via 10.0.2.1")

	a := checktest.Ask(t, route(), "host", "10.0.2.2", "timeout", "500ms")
	a.Fine(t)
	if hops := strings.Join(a.Column(t, "hops", "ip"), " "); hops != "10.0.1.2 10.0.2.2" {
		t.Errorf("hops %s", hops)
	}
	mtu := a.Column(t, "mtu", "path_mtu")
	by := a.Column(t, "mtu", "said_by")
	if mtu[len(mtu)-1] != "1.37 KiB" || by[0] != "10.0.1.2" {
		t.Errorf("path MTU %v, said by %v", mtu, by)
	}

	router.sh("nft 'add table ip f; add chain ip f o { type filter hook output priority 0; }; add rule ip f o icmp type destination-unreachable drop'")
	a = checktest.Ask(t, route(), "host", "10.0.2.2", "timeout", "100ms", "count", "1")
	if f := a.Finding(t, "warn"); !strings.Contains(f.Text, "packets over 1400 bytes") {
		t.Errorf("black hole: %s", f.Text)
	}

	router.sh("nft flush ruleset; ip link set r1 down")
	a = checktest.Ask(t, route(), "host", "10.0.2.2", "timeout", "100ms", "count", "1")
	if f := a.Finding(t, "crit"); !strings.Contains(f.Text, "unreachable") {
		t.Errorf("unreachable: %s", f.Text)
	}
	checktest.Ask(t, route(), "host", "::1").CannotTell(t)
}
