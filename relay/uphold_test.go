package relay

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// sealedBy follows a session to its end and says why it was closed.
func (w *world) sealedBy(id sessionlog.SessionID) string {
	w.t.Helper()
	rec, err := w.relay.shelf.get(w.t.Context(), "acme", id)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rec.release()
	var last sessionlog.Event
	for !rec.Head().Sealed {
		if _, err := rec.Wait(w.t.Context(), rec.Head().Seq); err != nil {
			w.t.Fatal(err)
		}
	}
	err = sessionlog.Replay(w.t.Context(), rec, func(ev sessionlog.Event) error { last = ev; return nil })
	var c sessionlog.Closed
	if err = errors.Join(err, last.Decode(&c)); err != nil || last.Actor != sessionlog.Relay {
		w.t.Fatalf("last event %+v, %v", last, err)
	}
	return c.Why
}

func (w *world) do(b console.Backend, in console.Intent) {
	w.t.Helper()
	if _, err := b.Do(w.t.Context(), in); err != nil {
		w.t.Fatalf("%T: %v", in, err)
	}
}

func TestRevokedEndpointIsSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ana, session, link := staffed(t, Config{})
		root := w.technician("root", console.RoleAdmin)
		roster, err := root.Directory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := roster.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		step, _ := w.run(ana, session, "sleep 1000")
		(<-link.calls).say(Started{PID: 1})
		w.do(root, console.RevokeEndpoint{Endpoint: w.db01, Why: "stolen"})
		if end := ended(t, w.await(root, session, step)); end.State != sessionlog.Lost {
			t.Errorf("the step ended as %+v", end)
		}
		if why := w.sealedBy(session); why != "the endpoint was revoked" {
			t.Errorf("sealed because %q", why)
		}
		<-link.gone
		for gone := false; !gone; {
			ch, err := roster.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			gone = slices.Contains(ch.Gone, w.db01)
		}
		<-w.attach(w.db01).gone // it may try as often as it likes
		if _, err := ana.Do(t.Context(), console.Open{Endpoint: w.db01}); codeOf(err) != console.CodeNotFound {
			t.Errorf("open: %v", err)
		}
	})
}

func TestDisabledTechnicianIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ana, session, link := staffed(t, Config{})
		root := w.technician("root", console.RoleAdmin)
		step, _ := w.run(ana, session, "sleep 1000")
		conv := <-link.calls
		conv.say(Started{PID: 1})
		look, err := ana.Look(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		defer look.Close()
		w.do(root, console.DisableTechnician{Name: "ana", Why: "left"})
		for err = error(nil); err == nil; { // what was told before may still be read
			_, err = look.Wait(t.Context(), look.Head().Seq)
		}
		if codeOf(err) != console.CodeRefused {
			t.Errorf("a look that waits ends with %v", err)
		}
		if evs, err := look.Read(t.Context(), 1, 10); codeOf(err) != console.CodeRefused || evs != nil {
			t.Errorf("read: %v, %v", evs, err)
		}
		<-conv.cancelled
		conv.say(Exit{Ended: sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1}})
		if end := ended(t, w.await(root, session, step)); end.State != sessionlog.Cancelled {
			t.Errorf("the step ended as %+v", end)
		}
		if why := w.sealedBy(session); why != "the technician may no longer work here" {
			t.Errorf("sealed because %q", why)
		}
		for _, in := range []console.Intent{
			console.Open{Endpoint: w.db01},
			console.Run{Session: session, Step: sessionlog.NewStepID(), Command: "true"},
			console.EnableTechnician{Name: "ana"},
		} {
			if _, err := ana.Do(t.Context(), in); codeOf(err) != console.CodeNotFound {
				t.Errorf("%T: %v", in, err)
			}
		}
		w.do(root, console.EnableTechnician{Name: "ana"})
		if again := w.open(ana, w.db01); again == session {
			t.Error("the sealed session was opened again")
		}
	})
}

func TestMovedEndpointLeavesItsSessionsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ana, session, _ := staffed(t, Config{})
		root := w.technician("root", console.RoleAdmin)
		bo := w.technician("bo", console.RoleTechnician, "acme")
		w.do(root, console.MoveEndpoint{Endpoint: w.db01, Client: "borealis"})
		if why := w.sealedBy(session); why != "the endpoint was moved to another client" {
			t.Errorf("sealed because %q", why)
		}
		found, err := bo.Search(t.Context(), console.Query{})
		if err != nil || len(found) != 1 || found[0].Client != "acme" {
			t.Errorf("the session is %+v, %v", found, err)
		}
		if _, err := bo.Do(t.Context(), console.Open{Endpoint: w.db01}); codeOf(err) != console.CodeNotFound {
			t.Errorf("bo opens what is not acme's any more: %v", err)
		}
		if next := w.open(ana, w.db01); next == session {
			t.Error("the old session goes on")
		}
	})
}

// A right that is taken away takes what it showed out of sight, and one that is
// given brings it there.
func TestRosterFollowsRights(t *testing.T) {
	w := newWorld(t, Config{})
	ours, theirs := w.enroll("acme", "db01"), w.enroll("borealis", "db01")
	root := w.technician("root", console.RoleAdmin)
	ana := w.technician("ana", console.RoleViewer, "acme")
	roster, err := ana.Directory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[sessionlog.EndpointID]bool{}
	next := func() {
		t.Helper()
		ch, err := roster.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range ch.Endpoints {
			seen[e.ID] = true
		}
		for _, id := range ch.Gone {
			delete(seen, id)
		}
	}
	next()
	if !seen[ours] || seen[theirs] {
		t.Fatalf("ana sees %v", seen)
	}
	w.do(root, console.GrantRole{Name: "ana", Role: console.RoleViewer, Clients: []string{"borealis"}})
	for !seen[theirs] {
		next()
	}
	w.do(root, console.GrantRole{Name: "ana", Clients: []string{"acme"}})
	for seen[ours] {
		next()
	}
	if !seen[theirs] {
		t.Error("what ana may see is gone")
	}
}

// An admin of some clients gives nobody more than that, and cannot take hold of
// somebody who has more.
func TestAdministering(t *testing.T) {
	w := newWorld(t, Config{})
	theirs := w.enroll("borealis", "db01")
	ours := w.enroll("acme", "db01")
	root := w.technician("root", console.RoleAdmin)
	ana := w.technician("ana", console.RoleAdmin, "acme")
	w.technician("both", console.RoleViewer, "acme", "borealis")
	w.technician("far", console.RoleViewer, "borealis")
	w.technician("near", console.RoleViewer, "acme")
	token, err := root.Do(t.Context(), console.NewToken{Client: "borealis"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   console.Intent
		want console.Code
	}{
		{console.GrantRole{Name: "near", Role: console.RoleLead, Clients: []string{"acme"}}, ""},
		{console.GrantRole{Name: "near", Role: console.RoleLead, Clients: []string{"acme", "borealis"}}, console.CodeRefused},
		{console.GrantRole{Name: "near", Role: console.RoleLead}, console.CodeRefused},
		{console.GrantRole{Name: "ana", Role: console.RoleAdmin}, console.CodeRefused},
		{console.DisableTechnician{Name: "near"}, ""},
		{console.EnableTechnician{Name: "near"}, ""},
		{console.DisableTechnician{Name: "both"}, console.CodeRefused},
		{console.AddKey{Name: "both", Key: "ssh-ed25519 AAAA"}, console.CodeRefused},
		{console.DisableTechnician{Name: "far"}, console.CodeNotFound},
		{console.RemoveKey{Name: "far", Print: "SHA256:x"}, console.CodeNotFound},
		{console.DisableTechnician{Name: "root"}, console.CodeNotFound},
		{console.DisableTechnician{Name: "nobody"}, console.CodeNotFound},
		{console.LabelEndpoint{Endpoint: ours, Set: map[string]string{"role": "db"}}, ""},
		{console.RenameEndpoint{Endpoint: ours, Name: "db02"}, ""},
		{console.MoveEndpoint{Endpoint: ours, Client: "borealis"}, console.CodeRefused},
		{console.LabelEndpoint{Endpoint: theirs, Set: map[string]string{"a": "b"}}, console.CodeNotFound},
		{console.RenameEndpoint{Endpoint: theirs, Name: "x"}, console.CodeNotFound},
		{console.MoveEndpoint{Endpoint: theirs, Client: "acme"}, console.CodeNotFound},
		{console.RevokeEndpoint{Endpoint: theirs}, console.CodeNotFound},
		{console.RevokeToken{ID: token.ID}, console.CodeNotFound},
	} {
		if _, err := ana.Do(t.Context(), c.in); codeOf(err) != c.want || c.want == "" && err != nil {
			t.Errorf("%+v: %v, want %q", c.in, err, c.want)
		}
	}
	people, err := ana.Technicians(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range people {
		names = append(names, p.Name)
		for client := range p.Grants {
			if client != "acme" {
				t.Errorf("ana sees that %s works for %s", p.Name, client)
			}
		}
	}
	if !slices.Equal(names, []string{"ana", "both", "near"}) {
		t.Errorf("ana sees %v", names)
	}
	if tokens, err := ana.Tokens(t.Context()); err != nil || len(tokens) != 0 {
		t.Errorf("ana sees tokens %v, %v", tokens, err)
	}
	for _, in := range []console.Intent{
		console.DisableTechnician{Name: "root"},
		console.GrantRole{Name: "root", Role: console.RoleLead},
		console.GrantRole{Name: "root"},
	} {
		if _, err := root.Do(t.Context(), in); codeOf(err) != console.CodeRefused {
			t.Errorf("the last admin: %T: %v", in, err)
		}
	}
}

// A feed on a session ends when its viewer may not see it any more.
func TestFeedIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, session, _ := staffed(t, Config{})
		root := w.technician("root", console.RoleAdmin)
		vi := w.technician("vi", console.RoleViewer, "acme")
		feed, err := vi.Watch(t.Context(), session, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Close()
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := feed.Next(context.Background()); err != nil {
					ended <- err
					return
				}
			}
		}()
		synctest.Wait()
		w.do(root, console.GrantRole{Name: "vi", Clients: []string{"acme"}})
		if err := <-ended; codeOf(err) != console.CodeRefused || errors.Is(err, io.EOF) {
			t.Errorf("the feed ended with %v", err)
		}
	})
}

// The fleet's log is for admins of everything, and reading it stands in it.
func TestFleetLog(t *testing.T) {
	w := newWorld(t, Config{})
	root, ana := w.technician("root", console.RoleAdmin), w.technician("ana", console.RoleAdmin, "acme")
	if _, err := ana.Look(t.Context(), console.FleetLog); codeOf(err) != console.CodeRefused {
		t.Errorf("an admin of one client: %v", err)
	}
	look, err := root.Look(t.Context(), console.FleetLog)
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	evs, err := look.Read(t.Context(), look.Head().Seq, 10)
	if err != nil || len(evs) != 1 || evs[0].Kind != "record.viewed" || evs[0].Actor != "technician:root" {
		t.Errorf("the newest event is %+v, %v", evs, err)
	}
}
