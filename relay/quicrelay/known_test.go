package quicrelay

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// Who has the key of one endpoint makes one network known, and memory is bounded.
func TestKnownNetworks(t *testing.T) {
	now := time.Unix(1e9, 0)
	k := newKnown(func() time.Time { return now }, 3)
	one, other, here, there := sessionlog.EndpointID("1"), sessionlog.EndpointID("2"), at("192.0.2.1").network, at("192.0.2.2").network
	k.saw(one, here)
	k.saw(other, here)
	if k.saw(one, there); !k.has(here) || !k.has(there) {
		t.Error("a network of two is known no more when one went elsewhere")
	}
	if k.saw(other, there); k.has(here) || !k.has(there) {
		t.Error("a network is known although no endpoint is there")
	}
	now = now.Add(-10 * 365 * 24 * time.Hour)
	if k.has(there) {
		t.Error("a network is known for ten years, since the clock was put back")
	}
	addr := netip.MustParseAddr("198.51.100.0")
	for range 100 {
		addr = addr.Next()
		k.saw(sessionlog.NewEndpointID(), addr)
	}
	if k.order.Len() != 3 || len(k.endpoint) != 3 || len(k.networks) != 3 || !k.has(addr) {
		t.Errorf("%d, %d and %d are remembered", k.order.Len(), len(k.endpoint), len(k.networks))
	}
}

// A relay that starts again, be it in a flood, knows the networks of before; what it
// cannot read costs it nothing else.
func TestKnownNetworksOutliveTheRelay(t *testing.T) {
	now := time.Unix(1e9, 0)
	clock := func() time.Time { return now }
	file := filepath.Join(t.TempDir(), knownFile)
	k := newKnown(clock, 3)
	if err := k.load(file); err != nil {
		t.Fatal(err)
	}
	addrs := []netip.Addr{at("192.0.2.1").network, at("2001:db8::1").network, at("192.0.2.3").network}
	for i, addr := range addrs {
		if due := k.saw(sessionlog.EndpointID(rune('1'+i)), addr); due != (i == 0) {
			t.Errorf("sighting %d is to be saved: %t", i, due)
		}
	}
	if now = now.Add(saveEvery); !k.saw("1", addrs[0]) {
		t.Error("a minute later it is not to be saved")
	}
	if err := k.save(); err != nil {
		t.Fatal(err)
	}
	again := newKnown(clock, 2)
	if err := again.load(file); err != nil {
		t.Fatal(err)
	}
	if again.has(addrs[1]) || !again.has(addrs[2]) || !again.has(addrs[0]) {
		t.Error("of three, the two that were seen last are not those that are known")
	}
	now = now.Add(knownFor)
	if again.has(addrs[0]) {
		t.Error("it is known for longer than it would have been")
	}
	if err := os.WriteFile(file, []byte(`[{"endpoint":"1","from":"nowhere"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newKnown(clock, 2).load(file); err == nil {
		t.Error("nonsense is taken")
	}
}
