package penalty

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// A clock stands still until it is moved.
type clock struct{ now time.Time }

func newClock() *clock                { return &clock{now: time.Unix(1e9, 0)} }
func (c *clock) time() time.Time      { return c.now }
func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

var stranger, other = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")

func TestWaitsGrow(t *testing.T) {
	c := newClock()
	b := New(Config{Free: 2, Longest: 10 * time.Second, Clock: c.time})
	for i, want := range []time.Duration{0, 0, 1, 2, 4, 8, 10, 10} {
		b.Failed(stranger)
		if got := b.Wait(stranger); got != want*time.Second {
			t.Errorf("after %d failures: %v, want %v s", i+1, got, int(want))
		}
	}
	if b.Wait(other) != 0 {
		t.Error("somebody else has to wait")
	}
	for range 100 { // the doubling must not overflow
		b.Failed(stranger)
	}
	c.pass(9 * time.Second)
	if got := b.Wait(stranger); got != time.Second {
		t.Errorf("9 s later: %v", got)
	}
	c.pass(time.Second)
	if b.Wait(stranger) != 0 {
		t.Error("the wait does not end")
	}
	b.Failed(stranger)
	if b.Wait(stranger) != 10*time.Second {
		t.Error("whoever fails again at once starts anew")
	}
	c.pass(11 * time.Minute)
	b.Failed(stranger)
	if b.Wait(stranger) != 0 {
		t.Error("failures are never forgotten")
	}
}

func TestWhoProvedThemselvesIsLetIn(t *testing.T) {
	c := newClock()
	b := New(Config{Free: 1, Clock: c.time})
	for range 9 {
		b.Failed(stranger)
	}
	b.Proved(stranger)
	if b.Wait(stranger) != 0 || !b.Known(stranger) {
		t.Error("an address has to wait that proved itself")
	}
	for range 9 {
		b.Failed(stranger)
	}
	if b.Wait(stranger) != 0 {
		t.Error("an address that proved itself is locked out by what others do there")
	}
	c.pass(25 * time.Hour)
	b.Failed(stranger)
	b.Failed(stranger)
	if b.Known(stranger) || b.Wait(stranger) == 0 {
		t.Error("an address is trusted for ever")
	}
}

// A machine whose clock was years ahead does not keep anybody out, or in, until then.
func TestClockThatWasPutBack(t *testing.T) {
	c := newClock()
	b := New(Config{Free: 1, Clock: c.time})
	for range 20 {
		b.Failed(stranger)
	}
	b.Proved(other)
	c.pass(-2 * time.Second) // as clocks are put right
	if b.Wait(stranger) == 0 || !b.Known(other) {
		t.Error("two seconds back, and all is forgotten")
	}
	c.pass(-10 * 365 * 24 * time.Hour)
	if d := b.Wait(stranger); d != 0 {
		t.Errorf("an address has to wait for %v", d)
	}
	if b.Known(other) {
		t.Error("an address is trusted for ten years")
	}
	b.Failed(stranger)
	b.Failed(stranger)
	if d := b.Wait(stranger); d != time.Second {
		t.Errorf("after two failures an address has to wait for %v", d)
	}
}

// Without a clock of its own a Box counts by dates: time in which the machine sleeps
// counts, which Go's monotonic clock leaves out on Linux.
func TestWaitsAreDates(t *testing.T) {
	if now := New(Config{}).cfg.Clock(); now.String() != now.Round(0).String() {
		t.Errorf("%s has a monotonic reading", now)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := newClock()
	b := New(Config{Free: 1, Most: 64, Clock: c.time})
	worst := netip.MustParseAddr("203.0.113.9")
	for range 12 {
		b.Failed(worst)
	}
	addr := netip.MustParseAddr("198.18.0.0")
	for range 5000 {
		addr = addr.Next()
		b.Failed(addr)
		b.Proved(addr.Next())
		addr = addr.Next()
		if len(b.failed) > 64 || len(b.known) > 64 {
			t.Fatalf("%d that failed and %d that did not are remembered", len(b.failed), len(b.known))
		}
	}
	if b.Wait(worst) == 0 {
		t.Error("the worst address was forgotten for others that failed once")
	}
	if !b.Known(addr) {
		t.Error("the newest address that proved itself was forgotten")
	}
	c.pass(time.Hour)
	b.Failed(stranger)
	if len(b.failed) != 1 {
		t.Errorf("%d are remembered after an hour, when there was no more room", len(b.failed))
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:22": "192.0.2.1", "[::ffff:192.0.2.1]:22": "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:22": "2001:db8:1:2::", "[fe80::1%lo]:22": "fe80::",
	} {
		ap, err := netip.ParseAddrPort(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := Network(net.TCPAddrFromAddrPort(ap)).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if Network(&net.UnixAddr{Name: "x"}).IsValid() {
		t.Error("a socket's name became an address")
	}
}

func TestSite(t *testing.T) {
	for in, want := range map[string]string{
		"[2001:db8:1:2:3:4:5:6]:22": "2001:db8:1::", "[2001:db8:1:ffff::]:22": "2001:db8:1::",
		"192.0.2.1:22": "", "[::ffff:192.0.2.1]:22": "",
	} {
		ap, err := netip.ParseAddrPort(in)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := Site(net.TCPAddrFromAddrPort(ap))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %s, %t, want %q", in, got, ok, want)
		}
	}
	if _, ok := Site(&net.UnixAddr{Name: "x"}); ok {
		t.Error("a socket's name became a site")
	}
}
