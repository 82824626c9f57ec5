package relay

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// do asks for something that succeeds, and returns the ID of what it made.
func (w *world) made(b console.Backend, in console.Intent) string {
	w.t.Helper()
	rcpt, err := b.Do(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("%+v: %v", in, err)
	}
	return rcpt.ID
}

// outage opens an incident.
func (w *world) outage(b console.Backend, client string) sessionlog.IncidentID {
	w.t.Helper()
	return sessionlog.IncidentID(w.made(b, console.OpenIncident{Title: "it burns", Client: client}))
}

// within returns the incident of which a session is, as lists say.
func (w *world) within(b console.Backend, id sessionlog.SessionID) sessionlog.IncidentID {
	w.t.Helper()
	found, err := b.Search(w.t.Context(), console.Query{ID: id})
	if err != nil || len(found) != 1 {
		w.t.Fatal(found, err)
	}
	return found[0].Incident
}

func TestSessionsOfAnIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, before, _ := gatedWorld(t, Config{})
		app, theirs := w.enroll("acme", "app01"), w.enroll("borealis", "app01")
		ana, bo := people["ana"], people["bo"]
		elsewhere := w.open(ana, theirs)
		id := w.outage(bo, "acme")
		if got := w.within(ana, before); got != "" {
			t.Errorf("ana's session is in %s, which she has not joined", got)
		}
		w.do(ana, console.JoinIncident{Incident: id})
		w.do(ana, console.JoinIncident{Incident: id}) // changes nothing
		after := w.open(ana, app)
		for s, want := range map[sessionlog.SessionID]sessionlog.IncidentID{before: id, after: id, elsewhere: ""} {
			if got := w.within(ana, s); got != want {
				t.Errorf("%s is in %q, not in %q", s, got, want)
			}
		}
		found, err := bo.Search(t.Context(), console.Query{Incident: id})
		if err != nil || len(found) != 2 {
			t.Errorf("%+v, %v", found, err)
		}
		joins := 0
		if err := sessionlog.Replay(t.Context(), w.records.logs[before], func(ev sessionlog.Event) error {
			if ev.Kind == sessionlog.IncidentJoined {
				joins++
			}
			return nil
		}); err != nil || joins != 1 {
			t.Errorf("%d joins in the record, %v", joins, err)
		}
		w.do(bo, console.CloseIncident{Incident: id})
		db2 := w.enroll("acme", "db02")
		if late := w.within(ana, w.open(ana, db2)); late != "" {
			t.Errorf("a session after the end is in %s", late)
		}
		w.relay.Close()
		w.start(Config{})
		ana = w.relay.Console(ana.Self())
		if got := w.within(ana, before); got != id {
			t.Errorf("after a restart it is in %q", got)
		}
		all, err := ana.Incidents(t.Context())
		if err != nil || len(all) != 1 || all[0].Lead != "bo" || all[0].Closed.IsZero() || !slices.Equal(all[0].People, []string{"ana", "bo"}) {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// A session that is open when its technician joins another incident goes over, also if
// the relay died before it could say so.
func TestSessionGoesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, _ := gatedWorld(t, Config{})
		first := w.outage(people["ana"], "acme")
		second := w.outage(people["bo"], "acme")
		if got := w.within(people["ana"], session); got != first {
			t.Fatalf("in %q", got)
		}
		w.relay.Close()
		if err := w.fleet.JoinIncident(t.Context(), "technician:ana", second); err != nil {
			t.Fatal(err)
		}
		w.start(Config{})
		synctest.Wait()
		ana := w.relay.Console(people["ana"].Self())
		if got := w.within(ana, session); got != second {
			t.Errorf("in %q, not %q", got, second)
		}
		if found, _ := ana.Search(t.Context(), console.Query{Incident: first}); len(found) != 0 {
			t.Errorf("still in the first: %+v", found)
		}
	})
}

func TestIncidentsAreWalled(t *testing.T) {
	w, people, _, _ := gatedWorld(t, Config{})
	vi := w.technician("vi", console.RoleViewer, "acme")
	id := w.outage(people["ana"], "acme")
	for name, want := range map[string]console.Code{"far": console.CodeNotFound, "vi": console.CodeRefused} {
		b := people[name]
		if name == "vi" {
			b = vi
		}
		for _, in := range []console.Intent{console.JoinIncident{Incident: id}, console.CloseIncident{Incident: id}} {
			if _, err := b.Do(t.Context(), in); codeOf(err) != want {
				t.Errorf("%s: %T: %v", name, in, err)
			}
		}
	}
	if all, err := people["far"].Incidents(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("far sees %+v, %v", all, err)
	}
	if _, err := people["far"].Do(t.Context(), console.OpenIncident{Title: "x", Client: "acme"}); codeOf(err) != console.CodeRefused {
		t.Errorf("far opens one: %v", err)
	}
	if _, err := people["di"].Do(t.Context(), console.CloseIncident{Incident: id}); codeOf(err) != console.CodeRefused {
		t.Errorf("another technician closes it: %v", err)
	}
	for _, title := range []string{"", " ", "a\nb", "a\x1bb", string(make([]byte, 300)), "\xff"} {
		if _, err := people["ana"].Do(t.Context(), console.OpenIncident{Title: title, Client: "acme"}); codeOf(err) != console.CodeUsage {
			t.Errorf("title %q: %v", title, err)
		}
	}
	w.do(people["ana"], console.CloseIncident{Incident: id})
	for _, in := range []console.Intent{console.JoinIncident{Incident: id}, console.CloseIncident{Incident: id}} {
		if _, err := people["bo"].Do(t.Context(), in); codeOf(err) != console.CodeUsage {
			t.Errorf("of a closed one, %T: %v", in, err)
		}
	}
}
