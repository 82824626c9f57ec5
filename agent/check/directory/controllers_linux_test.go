package directory

import (
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// TestTwoControllers: replication works, one of the two is stopped, it breaks, that one
// comes back, and ad.syncall has it work again.
func TestTwoControllers(t *testing.T) {
	needSamba(t)
	if testing.Short() {
		t.Skip("two controllers take a minute")
	}
	one, two := newDC(t, 1), newDC(t, 2)
	one.wire(two)
	for d, ip := range map[*dc]string{one: "10.98.0.1/24", two: "10.98.0.2/24"} {
		d.run("ip", "addr", "add", ip, "dev", "net0")
		d.run("ip", "link", "set", "net0", "up")
	}
	one.provision()
	one.start()
	two.join()
	two.start()
	for _, d := range []*dc{one, two} {
		d.ready()
	}
	until(t, "both have a partner", func() bool {
		b, err := one.in("samba-tool", "drs", "showrepl", "--json", "-P").Output()
		return err == nil && strings.Contains(string(b), "CN=DC2")
	})
	one.test("syncedAll")
	one.test("replicates")
	two.test("replicates")

	two.stop()
	one.test("broken")
	two.start()
	one.test("syncedAll")
	one.test("replicates")
}

func syncedAll(t *testing.T) {
	a := checktest.Ask(t, syncAll())
	if slices.ContainsFunc(a.Findings, func(f shape.Finding) bool { return strings.HasPrefix(f.Text, "the change failed") }) || a.End.Verdict == shape.CannotTell {
		t.Fatalf("end %+v, findings %+v\n%s", a.End, a.Findings, a.Said)
	}
	if n := len(a.Column(t, "after", "nc")); n < 5 {
		t.Errorf("%d rows after", n)
	}
}

func replicates(t *testing.T) {
	a := checktest.Ask(t, replication(sambaNeighbours))
	a.Fine(t)
	nc := a.Column(t, "", "nc")
	for _, want := range []string{"DC=cx,DC=test", "CN=Configuration,DC=cx,DC=test", "DC=ForestDnsZones,DC=cx,DC=test"} {
		if !slices.Contains(nc, want) {
			t.Errorf("no %s in %v", want, nc)
		}
	}
	if !slices.ContainsFunc(a.Edges, func(e shape.Edge) bool { return e.Kind == shape.ReplicatesBy && e.From != e.To }) {
		t.Errorf("edges %+v", a.Edges)
	}
}

// broken: the partner is down.
func broken(t *testing.T) {
	a := checktest.Ask(t, syncAll())
	if !slices.ContainsFunc(a.Findings, func(f shape.Finding) bool { return strings.HasPrefix(f.Text, "the change failed") }) {
		t.Errorf("findings of ad.syncall: %+v", a.Findings)
	}
	a = checktest.Ask(t, replication(sambaNeighbours))
	f := a.Finding(t, "fails")
	if !strings.Contains(f.Text, "from DC2 failed") || !strings.Contains(f.Text, "WERR") {
		t.Errorf("finding %s", f.Text)
	}
}
