package network

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
)

const testRules = `table inet filter {
	set allowed { type inet_service; elements = { 80, 443 }
	}
	chain web {
		tcp dport 8443 accept
	}
	chain input {
		type filter hook input priority 0; policy drop;
		iif "lo" accept
		ct state established,related accept
		tcp dport { 22, 8000-8010 } accept
		tcp dport @allowed accept
		jump web
		ip saddr 10.0.0.0/8 tcp dport 5432 accept
		tcp dport 23 counter reject with tcp reset
	}
	chain output {
		type filter hook output priority 0; policy accept;
		tcp dport 25 drop
	}
}`

func TestFirewall(t *testing.T) {
	if !inside(t) {
		return
	}
	checktest.Ask(t, firewall(), "port", "22").Fine(t) // no rules at all
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(testRules)
	if b, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, b)
	}
	a := checktest.Ask(t, firewall(), "port", "22,8005,443,8443")
	a.Fine(t)
	a = checktest.Ask(t, firewall(), "port", "22,23,3389,5432,8443")
	if got := strings.Join(a.Column(t, "ports", "action"), " "); got != "accept reject drop depends accept" {
		t.Errorf("actions %s: %+v", got, a.Findings)
	}
	a = checktest.Ask(t, firewall(), "port", "25,80", "direction", "out")
	if f := a.Finding(t, "port"); !strings.Contains(f.Text, "tcp port 25 is blocked") {
		t.Errorf("out: %s", f.Text)
	}
	checktest.Ask(t, firewall(), "port", "ssh").CannotTell(t)
}

// TestIPTables reads the form that iptables-save documents.
func TestIPTables(t *testing.T) {
	b, err := os.ReadFile("testdata/iptables-save.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := parseIPTables(b)
	for port, want := range map[int]string{22: "accept", 80: "accept", 443: "accept", 3306: "depends", 8080: "drop", 113: "reject"} {
		if v := s.follow("input", packet{"tcp", port}); v.action != want {
			t.Errorf("port %d: %+v, not %s", port, v, want)
		}
	}
	if v := s.follow("output", packet{"tcp", 25}); v.action != "accept" {
		t.Errorf("out: %+v", v)
	}
}
