package fleet

import (
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
)

// What the log tells of incidents and calls holds after it is read again.
func TestIncidentsAndCallsAreKept(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	log, cfg := logtest.NewMemory(), Config{Clock: func() time.Time { return now }}
	c, err := Open(t.Context(), log, cfg)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, root := t.Context(), sessionlog.Technician("root")
	key, _ := sshKey(t)
	must(c.AddTechnician(ctx, root, console.AddTechnician{Name: "bo", Role: console.RoleLead, Clients: []string{"acme"}, Key: key}))
	first, err := c.OpenIncident(ctx, root, console.OpenIncident{Title: " db down ", Client: "acme"})
	must(err)
	must(c.JoinIncident(ctx, "technician:bo", first))
	second, err := c.OpenIncident(ctx, "technician:bo", console.OpenIncident{Title: "mail", Client: "acme"})
	must(err)
	must(c.CloseIncident(ctx, root, first))
	if _, err := c.SetOnCall(ctx, root, console.SetOnCall{Name: "bo", Client: "acme", For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as it is, and read again
		if in, ok := c.WorksIn("bo", "acme"); !ok || in.Incident != second || in.Title != "mail" {
			t.Errorf("bo works in %+v, %v", in, ok)
		}
		if in, ok := c.WorksIn("root", "acme"); ok {
			t.Errorf("root works in %+v, which is closed", in)
		}
		all := c.Incidents()
		if len(all) != 2 || all[0].ID != second || all[1].Title != "db down" || all[1].Closed.IsZero() || len(all[1].People) != 2 || all[0].Lead != "bo" {
			t.Errorf("%+v", all)
		}
		if c.IncidentIsOpen(first) || !c.IncidentIsOpen(second) || c.IncidentIsOpen("") {
			t.Error("what is open is not")
		}
		now = now.Add(29 * time.Minute)
		if _, is := c.OnCallUntil("bo", "acme"); !is || len(c.OnCall("bo")) != 1 {
			t.Error("bo is not on call")
		}
		if _, is := c.OnCallUntil("bo", "borealis"); is {
			t.Error("bo is on call everywhere")
		}
		if c, err = Open(ctx, log, cfg); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * time.Minute)
	if _, is := c.OnCallUntil("bo", "acme"); is || len(c.OnCall("bo")) != 0 {
		t.Error("bo is on call after the end")
	}
	if _, err := c.SetOnCall(ctx, root, console.SetOnCall{Name: "bo", Client: "acme", For: 32 * 24 * time.Hour}); err == nil {
		t.Error("on call for more than a month")
	}
	if err := c.JoinIncident(ctx, root, first); err == nil {
		t.Error("a closed incident is joined")
	}
}
