package network

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/miekg/dns"
)

// named starts BIND with a zone and returns its address.
func named(t *testing.T, address string) string {
	t.Helper()
	path, err := exec.LookPath("named")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/named"); err != nil {
			t.Skip("named is missing: install bind9")
		}
	}
	dir := t.TempDir()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	c.Close()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("zone", "$TTL 300\n@ IN SOA ns.cx.test. root.cx.test. 1 3600 600 86400 300\n@ IN NS ns\nns IN A 127.0.0.1\nwww IN A "+address+"\nwww IN TXT \"same\"\nalias IN CNAME www\n")
	write("bad", "this is no zone\n")
	write("named.conf", `options { directory "`+dir+`"; pid-file none; session-keyfile "`+dir+`/key"; listen-on port `+port+` { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; };
controls { };
zone "cx.test" { type primary; file "zone"; };
zone "broken.test" { type primary; file "bad"; };
`)
	cmd := exec.Command(path, "-g", "-c", filepath.Join(dir, "named.conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	server := "127.0.0.1:" + port
	until(t, func() bool {
		r, _, err := (&dns.Client{Timeout: time.Second}).Exchange(question("www.cx.test", "A"), server)
		return err == nil && r.Rcode == dns.RcodeSuccess
	})
	return server
}

// until waits until ok holds.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(20 * time.Second)
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatal("it does not come true")
		}
	}
}

func TestResolve(t *testing.T) {
	one, two := named(t, "10.1.1.1"), named(t, "10.1.1.2")
	a := checktest.Ask(t, resolve(), "name", "alias.cx.test", "servers", one)
	a.Fine(t)
	if aa := a.Column(t, "", "aa"); !slices.Equal(aa, []string{"yes"}) {
		t.Errorf("aa %v", aa)
	}
	want := []shape.Edge{
		{Kind: shape.ResolvesTo, From: "alias.cx.test", To: "www.cx.test", Label: one},
		{Kind: shape.ResolvesTo, From: "alias.cx.test", To: "10.1.1.1", Label: one},
	}
	if !slices.Equal(a.Edges, want) {
		t.Errorf("edges %+v", a.Edges)
	}
	checktest.Ask(t, resolve(), "name", "www.cx.test", "type", "TXT", "servers", one+","+two).Fine(t)

	a = checktest.Ask(t, resolve(), "name", "www.cx.test", "servers", one+","+two)
	if f := a.Finding(t, "warn"); f.Text != "the servers give 2 different answers for www.cx.test" || !slices.Equal(f.Rows, []int{0, 1}) {
		t.Errorf("finding %+v", f)
	}
	for name, rcode := range map[string]string{"none.cx.test": "NXDOMAIN", "x.broken.test": "SERVFAIL", "www.elsewhere.test": "REFUSED"} {
		if f := checktest.Ask(t, resolve(), "name", name, "servers", one).Finding(t, "crit"); !strings.Contains(f.Text, rcode) {
			t.Errorf("%s: %s", name, f.Text)
		}
	}
	mute, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	a = checktest.Ask(t, resolve(), "name", "www.cx.test", "timeout", "100ms", "servers", one+","+mute.LocalAddr().String())
	if rc := a.Column(t, "", "rcode"); !slices.Equal(rc, []string{"NOERROR", "timeout"}) {
		t.Errorf("rcodes %v", rc)
	}
	checktest.Ask(t, resolve(), "name", "www.cx.test", "servers", one, "slow", "1ns").Finding(t, "slow")
}
