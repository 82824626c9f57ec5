package relay

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

func TestClientsAreWalls(t *testing.T) {
	w := newWorld(t, Config{})
	ours, theirs := w.enroll("acme", "db01"), w.enroll("borealis", "db01")
	root := w.technician("root", console.RoleAdmin)
	ana := w.technician("ana", console.RoleAdmin, "acme")
	session := w.open(root, theirs)
	ctx := t.Context()

	roster, err := ana.Directory(ctx)
	if err != nil {
		t.Fatal(err)
	}
	first, err := roster.Next(ctx)
	if err != nil || len(first.Endpoints) != 1 || first.Endpoints[0].ID != ours {
		t.Errorf("ana sees %+v, %v", first.Endpoints, err)
	}
	if found, err := ana.Search(ctx, console.Query{}); err != nil || len(found) != 0 {
		t.Errorf("ana finds %+v, %v", found, err)
	}
	if _, err := ana.Watch(ctx, session, 1); codeOf(err) != console.CodeNotFound {
		t.Errorf("watch: %v", err)
	}
	for _, in := range []console.Intent{
		console.Open{Endpoint: theirs},
		console.Run{Session: session, Step: sessionlog.NewStepID(), Command: "true"},
		console.Cancel{Session: session, Step: sessionlog.NewStepID()},
		console.Note{Session: session, Text: "hello"},
		console.Close{Session: session},
	} {
		if _, err := ana.Do(ctx, in); codeOf(err) != console.CodeNotFound {
			t.Errorf("%T: %v", in, err)
		}
	}
	for _, in := range []console.Intent{
		console.NewToken{Client: "borealis"},
		console.AddTechnician{Name: "eve", Role: console.RoleAdmin},
		console.AddTechnician{Name: "eve", Role: console.RoleViewer, Clients: []string{"acme", "borealis"}},
	} {
		if _, err := ana.Do(ctx, in); codeOf(err) != console.CodeRefused {
			t.Errorf("%T: %v", in, err)
		}
	}
}

func TestRolesAndOwnSessions(t *testing.T) {
	w := newWorld(t, Config{})
	ep := w.enroll("acme", "db01")
	ana := w.technician("ana", console.RoleTechnician)
	bo := w.technician("bo", console.RoleTechnician)
	viewer := w.technician("vi", console.RoleViewer)
	lead := w.technician("li", console.RoleLead)
	stranger := w.relay.Console(console.Self{Name: "nobody"})
	session := w.open(ana, ep)
	ctx := t.Context()
	if again := w.open(ana, ep); again != session {
		t.Errorf("ana has two open sessions on one endpoint: %s and %s", session, again)
	}
	if other := w.open(bo, ep); other == session {
		t.Error("bo was given ana's session")
	}
	run := console.Run{Session: session, Step: sessionlog.NewStepID(), Command: "true"}
	for who, b := range map[string]console.Backend{"bo": bo, "viewer": viewer, "lead": lead} {
		if _, err := b.Do(ctx, run); codeOf(err) != console.CodeRefused {
			t.Errorf("%s runs in ana's session: %v", who, err)
		}
	}
	if _, err := stranger.Do(ctx, run); codeOf(err) != console.CodeNotFound {
		t.Errorf("stranger: %v", err)
	}
	if _, err := viewer.Do(ctx, console.Open{Endpoint: ep}); codeOf(err) != console.CodeRefused {
		t.Errorf("viewer opens: %v", err)
	}
	if _, err := bo.Do(ctx, console.Close{Session: session}); codeOf(err) != console.CodeRefused {
		t.Errorf("bo closes ana's session: %v", err)
	}
	if _, err := lead.Do(ctx, console.Close{Session: session}); err != nil {
		t.Errorf("lead closes ana's session: %v", err)
	}
}

func TestBadRuns(t *testing.T) {
	w := newWorld(t, Config{})
	ep := w.enroll("acme", "db01")
	ana := w.technician("ana", console.RoleTechnician)
	session := w.open(ana, ep)
	ok := console.Run{Session: session, Step: sessionlog.NewStepID(), Command: "true"}
	for name, change := range map[string]func(*console.Run){
		"no command":  func(r *console.Run) { r.Command = "  " },
		"no text":     func(r *console.Run) { r.Command = "a\xff" },
		"nul":         func(r *console.Run) { r.Command = "a\x00b" },
		"too long":    func(r *console.Run) { r.Command = string(make([]byte, maxCommand+1)) },
		"bad step":    func(r *console.Run) { r.Step = "../../x" },
		"time travel": func(r *console.Run) { r.Timeout = -time.Second },
	} {
		in := ok
		change(&in)
		if _, err := ana.Do(t.Context(), in); codeOf(err) != console.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCloseCancelsAndSeals(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	w.run(ana, session, "sleep 100")
	conv := <-link.calls
	go func() {
		<-conv.cancelled
		conv.say(Exit{Ended: sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1}})
	}()
	feed, err := ana.Watch(t.Context(), session, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	if _, err := ana.Do(t.Context(), console.Close{Session: session}); err != nil {
		t.Fatal(err)
	}
	var kinds []sessionlog.Kind
	for {
		evs, err := feed.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range evs {
			kinds = append(kinds, ev.Kind)
		}
	}
	want := []sessionlog.Kind{
		sessionlog.SessionOpened, sessionlog.StepRequested, sessionlog.StepDispatched, sessionlog.StepEnded, sessionlog.SessionClosed,
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("record is %v, want %v", kinds, want)
	}
	_, err = ana.Do(t.Context(), console.Run{Session: session, Step: sessionlog.NewStepID(), Command: "true"})
	if codeOf(err) != console.CodeUsage {
		t.Errorf("run in a sealed session: %v", err)
	}
	found, err := ana.Search(t.Context(), console.Query{ID: session[:20]})
	if err != nil || len(found) != 1 || found[0].Closed.IsZero() || found[0].Steps != 1 || found[0].Running != 0 {
		t.Errorf("sealed session is listed as %+v, %v", found, err)
	}
	if next := w.open(ana, w.db01); next == session {
		t.Error("the sealed session was opened again")
	}
}

// Whoever closes a session may go away; the session is not stuck because of it.
func TestCloserGoesAway(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, _ := w.run(ana, session, "sleep 100")
	conv := <-link.calls
	ctx, leave := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	go func() {
		_, err := ana.Do(ctx, console.Close{Session: session})
		closed <- err
	}()
	<-conv.cancelled
	leave()
	if err := <-closed; err == nil {
		t.Error("the session was closed with a step that runs")
	}
	go conv.say(Exit{Ended: sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1}})
	w.await(ana, session, step)
	step, _ = w.run(ana, session, "true")
	conv = <-link.calls
	go conv.say(exitOK(""))
	w.await(ana, session, step)
	if _, err := ana.Do(t.Context(), console.Close{Session: session}); err != nil {
		t.Error(err)
	}
}

func TestIdleSessionSealsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{IdleSeal: time.Hour})
		defer w.relay.Close()
		ep := w.enroll("acme", "db01")
		ana := w.technician("ana", console.RoleTechnician)
		session := w.open(ana, ep)
		feed, err := ana.Watch(t.Context(), session, 2)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Hour, func() { feed.Close() })
		begun := time.Now()
		if _, err := feed.Next(t.Context()); err == nil || err == io.EOF {
			t.Fatalf("a session with a viewer was sealed: %v", err)
		}
		last, err := ana.Watch(t.Context(), session, 1)
		if err != nil {
			t.Fatal(err)
		}
		last.Close() // a viewer that left
		for {
			found, err := ana.Search(t.Context(), console.Query{ID: session})
			if err != nil {
				t.Fatal(err)
			}
			if !found[0].Closed.IsZero() {
				break
			}
			<-time.After(time.Minute)
		}
		if idle := time.Since(begun) - 5*time.Hour; idle < time.Hour || idle > 2*time.Hour {
			t.Errorf("sealed after %v without a viewer", idle)
		}
	})
}

func TestRosterTellsWhoIsOnAndWhatRuns(t *testing.T) {
	w := newWorld(t, Config{})
	ep := w.enroll("acme", "db01")
	ana := w.technician("ana", console.RoleTechnician)
	roster, err := ana.Directory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await := func(what string, ok func(console.Endpoint) bool) {
		t.Helper()
		for {
			changes, err := roster.Next(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if len(changes.Endpoints) == 1 && ok(changes.Endpoints[0]) {
				return
			}
		}
	}
	await("offline", func(e console.Endpoint) bool { return !e.Online })
	link := w.attach(ep)
	await("online", func(e console.Endpoint) bool { return e.Online && e.Transport == "quic" })
	session := w.open(ana, ep)
	feed, err := ana.Watch(t.Context(), session, 1)
	if err != nil {
		t.Fatal(err)
	}
	await("on", func(e console.Endpoint) bool { return slices.Equal(e.On, []string{"ana"}) })
	w.run(ana, session, "sleep 1")
	await("running", func(e console.Endpoint) bool { return e.Running == 1 })
	conv := <-link.calls
	go conv.say(exitOK(""))
	await("ended", func(e console.Endpoint) bool { return e.Running == 0 })
	feed.Close()
	await("left", func(e console.Endpoint) bool { return len(e.On) == 0 })
	link.lose()
	await("gone", func(e console.Endpoint) bool { return !e.Online })
	roster.Close()
	if _, err := roster.Next(t.Context()); err == nil {
		t.Error("a closed roster goes on")
	}
}
