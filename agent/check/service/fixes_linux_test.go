package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

// testTimesync asks where a unit named systemd-timesyncd runs, and timedate1.
func testTimesync(t *testing.T, c container) {
	m := c.bus()
	m.chrony = "/nowhere/chronyd.sock"
	must(t, m.restartUnit(t.Context(), "systemd-timesyncd.service"))
	pid := checktest.Ask(t, svcStatus(m.services), "name", "systemd-timesyncd").Column(t, "", "pid")
	a := checktest.Ask(t, m.timeResync())
	if got := a.Column(t, "after", "by"); got[0] != "systemd-timesyncd" {
		t.Errorf("by %v", got)
	}
	for _, f := range a.Findings { // the kernel of the machine that tests says whether it is
		if f.Text != "systemd-timesyncd is not synchronised with any source" {
			t.Errorf("finding %q", f.Text)
		}
	}
	after := checktest.Ask(t, svcStatus(m.services), "name", "systemd-timesyncd").Column(t, "", "pid")
	if slices.Equal(pid, after) || after[0] == "-" {
		t.Errorf("process %v before and %v after", pid, after)
	}
}

// TestChrony asks a chronyd that has no right to set the clock: it says so.
func TestChrony(t *testing.T) {
	chronyd, err := exec.LookPath("/usr/sbin/chronyd")
	if err != nil || os.Getuid() != 0 {
		t.Skip("chronyd is not there, or this is not root: install the package chrony")
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700)) // chronyd insists
	socket := filepath.Join(dir, "chronyd.sock")
	conf := filepath.Join(dir, "chrony.conf")
	must(t, os.WriteFile(conf, []byte("cmdport 0\nport 0\nlocal stratum 8\nuser root\npidfile "+dir+"/pid\nbindcmdaddress "+socket+"\n"), 0o600))
	cmd := exec.Command(chronyd, "-d", "-x", "-f", conf)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	m := machine{chrony: socket, bus: "unix:path=" + dir + "/none"}
	poll(t, 10*time.Second, func() (bool, string) {
		_, err := m.clock(t.Context(), nil)
		if err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	a := checktest.Ask(t, m.timeResync())
	if f := a.Finding(t, "crit"); f.Text != "the change failed: chronyc: exit status 1" || len(a.Findings) != 1 {
		t.Errorf("findings %+v", a.Findings)
	}
	if got := a.Column(t, "after", "stratum"); got[0] != "8" || a.Column(t, "before", "by")[0] != "chronyd" {
		t.Errorf("tables %+v", a.Tables)
	}
	if !strings.Contains(string(a.Raw), "500 Failure") {
		t.Errorf("raw %s", a.Raw)
	}
}

func TestTracking(t *testing.T) {
	c, err := tracking([]byte("C0000207,ntp.example.com,3,1795539151.3,-2.5,0,0,0,0,0,0.02,0.001,64.2,Not synchronised\n"))
	if err != nil || c.synced || c.offset != -2500*time.Millisecond || c.stratum != 3 || c.source != "ntp.example.com" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "506 Cannot talk to daemon\n", "a,b\n"} {
		if _, err := tracking([]byte(bad)); err == nil {
			t.Errorf("%q is tracking", bad)
		}
	}
}

// A resolver speaks resolve1 on a bus of the test's own.
type resolver struct {
	props *prop.Properties

	mu   sync.Mutex // guards what follows
	left cache
	fail *dbus.Error
}

// next says what comes of the next flush.
func (r *resolver) next(left cache, fail *dbus.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left, r.fail = left, fail
}

// FlushCaches is the method of resolve1.
func (r *resolver) FlushCaches() *dbus.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.props.SetMust("org.freedesktop.resolve1.Manager", "CacheStatistics", r.left)
	return r.fail
}

func TestDNSFlush(t *testing.T) {
	m := privateBus(t)
	bus, err := dbus.Connect(m.bus)
	must(t, err)
	defer bus.Close()
	const path, iface = "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager"
	r := &resolver{}
	r.props, err = prop.Export(bus, path, prop.Map{iface: {"CacheStatistics": {Value: cache{340, 5000, 600}}}})
	must(t, err)
	must(t, bus.Export(r, path, iface))
	if reply, err := bus.RequestName("org.freedesktop.resolve1", 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	a := checktest.Ask(t, m.dnsFlush())
	a.Fine(t)
	if got := slices.Concat(a.Column(t, "before", "entries"), a.Column(t, "after", "entries")); !slices.Equal(got, []string{"340", "0"}) {
		t.Errorf("entries %v", got)
	}
	r.next(cache{300, 1, 1}, nil)
	if f := checktest.Ask(t, m.dnsFlush()).Finding(t, "warn"); f.Text != "the cache still has 300 entries" || f.Table != "after" {
		t.Errorf("finding %+v", f)
	}
	r.next(cache{}, dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"no"}))
	if f := checktest.Ask(t, m.dnsFlush()).Finding(t, "crit"); !strings.HasPrefix(f.Text, "the change failed: ask systemd-resolved") {
		t.Errorf("finding %q", f.Text)
	}
}

// privateBus runs a bus of the test's own.
func privateBus(t *testing.T) machine {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("dbus-daemon is not there: install the package dbus-daemon")
	}
	address := "unix:path=" + filepath.Join(t.TempDir(), "bus")
	cmd := exec.Command(daemon, "--session", "--nofork", "--nopidfile", "--address="+address)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	poll(t, 10*time.Second, func() (bool, string) {
		c, err := dbus.Connect(address)
		if err != nil {
			return false, err.Error()
		}
		_ = c.Close()
		return true, ""
	})
	return machine{bus: address}
}
