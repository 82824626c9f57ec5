package replay

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
)

func record(t *testing.T, sealed bool) (*logtest.Memory, sessionlog.SessionID) {
	t.Helper()
	log, id, step := logtest.NewMemory(), sessionlog.NewSessionID(), sessionlog.NewStepID()
	evs := []sessionlog.Event{
		sessionlog.New(sessionlog.SessionOpened, "technician:bo", "", sessionlog.Opened{
			Session: id, Client: "acme", Endpoint: sessionlog.NewEndpointID(), Name: "db01", Technician: "bo",
		}),
		sessionlog.New(sessionlog.StepRequested, "technician:bo", step, sessionlog.Requested{Command: "w"}),
	}
	if sealed {
		evs = append(evs, sessionlog.New(sessionlog.StepEnded, "relay", step, sessionlog.Ended{State: sessionlog.Lost, Exit: -1}),
			sessionlog.New(sessionlog.SessionClosed, "relay", "", sessionlog.Closed{}))
	}
	for i := range evs {
		evs[i].Time = start.Add(time.Duration(i) * 10 * time.Second)
	}
	if _, err := sessionlog.Append(context.Background(), log, evs...); err != nil {
		t.Fatal(err)
	}
	return log, id
}

func TestBackend(t *testing.T) {
	ctx := context.Background()
	log, id := record(t, true)
	b := New(log)
	_, err := b.Do(ctx, console.Run{Session: id})
	var refused *console.Error
	if !errors.As(err, &refused) || refused.Code != console.CodeRefused {
		t.Errorf("Do: %v", err)
	}
	found, err := b.Search(ctx, console.Query{})
	if err != nil || len(found) != 1 {
		t.Fatalf("Search: %v, %v", found, err)
	}
	if s := found[0]; s.ID != id || s.Path() != "acme/db01" || s.Technician != "bo" || s.Steps != 1 || s.Running != 0 || s.Events != 4 || s.Closed.IsZero() {
		t.Errorf("session %+v", s)
	}
	for _, q := range []console.Query{{ID: "X"}, {Client: "x"}, {By: "x"}, {Since: start.Add(time.Hour)}} {
		if found, err := b.Search(ctx, q); err != nil || len(found) != 0 {
			t.Errorf("Search(%+v): %v, %v", q, found, err)
		}
	}
	dir, err := b.Directory(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if ch, err := dir.Next(ctx); err != nil || len(ch.Endpoints) != 1 || ch.Endpoints[0].Path() != "acme/db01" || ch.Endpoints[0].Online {
		t.Errorf("directory: %+v, %v", ch, err)
	}
	dir.Close()
	dir.Close()
	if _, err := dir.Next(ctx); err == nil {
		t.Error("a closed roster goes on")
	}
	if _, err := b.Watch(ctx, sessionlog.NewSessionID(), 1); err == nil {
		t.Error("another session can be watched")
	}
	feed, err := b.Watch(ctx, id, 2)
	if err != nil {
		t.Fatal(err)
	}
	if evs, err := feed.Next(ctx); err != nil || len(evs) != 3 || evs[0].Seq != 2 {
		t.Errorf("events %v, %v", evs, err)
	}
	if _, err := feed.Next(ctx); err != io.EOF {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestFeedFollowsAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, id := record(t, false)
		feed, err := New(log).Watch(t.Context(), id, 3)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		next := func() {
			evs, err := feed.Next(t.Context())
			if err == nil && len(evs) != 1 {
				err = errors.New("not one event")
			}
			got <- err
		}
		go next()
		synctest.Wait()
		if _, err := sessionlog.Append(t.Context(), log, sessionlog.New(sessionlog.NoteAdded, "relay", "", sessionlog.Note{})); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Errorf("a new event: %v", err)
		}
		go next()
		synctest.Wait()
		feed.Close()
		if err := <-got; !errors.Is(err, console.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}
