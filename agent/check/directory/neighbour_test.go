package directory

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
)

// TestNeighbour reads the attribute as Windows documents it.
func TestNeighbour(t *testing.T) {
	b, err := os.ReadFile("testdata/neighbour.xml")
	if err != nil {
		t.Fatal(err)
	}
	n, err := parseNeighbour(string(b)+"\x00", "NUE-DC1")
	want := neighbour{
		dest: "NUE-DC1", source: "NUE-DC2", site: "Nuremberg", nc: "DC=contoso,DC=com", direction: "in", transport: "IP",
		success: time.Date(2026, 11, 23, 4, 12, 55, 0, time.UTC), attempt: time.Date(2026, 11, 24, 16, 57, 1, 0, time.UTC),
		result: "error 8524: a DNS lookup failed", fails: 41,
	}
	if err != nil || n != want {
		t.Errorf("%+v, %v", n, err)
	}
	never := strings.ReplaceAll(string(b), "2026-11-23T04:12:55Z", "1601-01-01T00:00:00Z")
	if n, err := parseNeighbour(never, "A"); err != nil || !n.success.IsZero() {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := parseNeighbour("<DS_REPL_CURSOR/>", "A"); err == nil {
		t.Error("a cursor is a neighbour")
	}
}

// TestReplicationFindings holds neighbours of a known age against the thresholds.
func TestReplicationFindings(t *testing.T) {
	now := time.Now()
	at := func(ago time.Duration, transport string, fails int) check.Check {
		return replication(func(context.Context, check.Input, *check.Out) ([]neighbour, error) {
			n := neighbour{dest: "A", source: "B", nc: "DC=x", direction: "in", transport: transport, attempt: now, result: "success", fails: fails}
			if ago > 0 {
				n.success = now.Add(-ago)
			}
			return []neighbour{n}, nil
		})
	}
	const day = 24 * time.Hour
	checktest.Ask(t, at(30*time.Minute, "RPC", 0)).Fine(t)
	checktest.Ask(t, at(2*time.Hour, "IP", 0)).Fine(t)
	for by, c := range map[string]check.Check{
		"within": at(2*time.Hour, "RPC", 0), "between": at(2*day, "IP", 0), "tombstone": at(200*day, "RPC", 0), "fails": at(time.Minute, "RPC", 3),
	} {
		if f := checktest.Ask(t, c).Finding(t, by); !strings.Contains(f.Text, "DC=x from B") {
			t.Errorf("%s: %s", by, f.Text)
		}
	}
	if f := checktest.Ask(t, at(0, "RPC", 0)).Finding(t, "crit"); f.Text != "DC=x from B has never replicated" {
		t.Errorf("never: %s", f.Text)
	}
	checktest.Ask(t, replication(nil)).CannotTell(t)
}
