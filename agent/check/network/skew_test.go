package network

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// clockOff answers NTP's questions from a clock that is off by that.
func clockOff(t *testing.T, off time.Duration, stratum byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	stamp := func(b []byte) {
		now := time.Now().Add(off)
		binary.BigEndian.PutUint32(b, uint32(now.Unix()+2208988800)) // since 1900
		binary.BigEndian.PutUint32(b[4:], uint32((uint64(now.Nanosecond())<<32)/1e9))
	}
	go func() {
		defer close(done)
		for {
			q, a := make([]byte, 48), make([]byte, 48)
			_, from, err := c.ReadFrom(q)
			if err != nil {
				return
			}
			a[0], a[1], a[3] = 4<<3|4, stratum, 0xec // version 4, a server's answer
			copy(a[12:], "GPS\x00")
			stamp(a[16:])        // when its clock was set
			copy(a[24:], q[40:]) // when we asked, by our clock
			stamp(a[32:])        // when it heard us
			stamp(a[40:])        // when it answers
			_, _ = c.WriteTo(a, from)
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c.LocalAddr().String()
}

func TestSkew(t *testing.T) {
	good, late := clockOff(t, 0, 1), clockOff(t, 312*time.Second, 1)
	a := checktest.Ask(t, skew(), "peers", good)
	if slices.ContainsFunc(a.Findings, func(f shape.Finding) bool { return f.Param != "" }) {
		t.Errorf("findings %+v", a.Findings)
	}
	a = checktest.Ask(t, skew(), "peers", good+","+late)
	if f := a.Finding(t, "crit"); !strings.HasPrefix(f.Text, "this clock is 312.0 s behind that of "+late) {
		t.Errorf("finding %s", f.Text)
	}
	a = checktest.Ask(t, skew(), "peers", clockOff(t, -10*time.Second, 1))
	if f := a.Finding(t, "warn"); !strings.HasPrefix(f.Text, "this clock is 10.0 s ahead of that of") {
		t.Errorf("finding %s", f.Text)
	}
	mute, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	a = checktest.Ask(t, skew(), "peers", mute.LocalAddr().String(), "timeout", "50ms")
	if f := a.Finding(t, "warn"); !strings.Contains(f.Text, "does not tell the time") {
		t.Errorf("finding %s", f.Text)
	}
}

// TestNoClocks: nobody is named, and there is no chrony to ask.
func TestNoClocks(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	checktest.Ask(t, skew()).CannotTell(t)
}

// TestChrony reads the form that chronyc -c documents.
func TestChrony(t *testing.T) {
	track, err := parseTracking([]byte("C0A80101,192.168.1.1,3,1792846245.123456789,-0.000012345,0.000001,0.000020,-1.234,0.001,0.020,0.012345678,0.000987654,64.5,Normal\n"))
	if err != nil || track.source != "192.168.1.1" || track.stratum != 3 || track.leap != "Normal" {
		t.Errorf("%+v, %v", track, err)
	}
	list := parseSources([]byte("^,*,192.168.1.1,2,6,377,41,-0.000023,-0.000035,0.012\n#,-,PPS0,0,4,377,11,0.0,0.0,0.0\n"))
	if !slices.Equal(list, []string{"192.168.1.1"}) {
		t.Errorf("sources %v", list)
	}
}
