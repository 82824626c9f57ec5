package network

import (
	"slices"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
)

func TestInterfaces(t *testing.T) {
	if !inside(t) {
		return
	}
	ask := func() checktest.Answer { return checktest.Ask(t, interfaces(), "sample", "1ms") }
	if f := ask().Finding(t, "warn"); f.Text != "no interface has a default gateway" {
		t.Errorf("no gateway: %s", f.Text)
	}
	run(t, "sh", "-ec", "ip link add v0 type veth peer name v1; ip addr add 10.9.0.1/24 dev v0; ip link set v0 up; ip link set v1 up; ip route add default via 10.9.0.2")
	a := ask()
	a.Fine(t)
	i := slices.Index(a.Column(t, "", "name"), "v0")
	if i < 0 || a.Column(t, "", "gw")[i] != "10.9.0.2" || a.Column(t, "", "mtu")[i] != "1500" {
		t.Errorf("rows %v", a.Tables[0].Rows)
	}
}
