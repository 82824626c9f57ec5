package relay

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
)

// movable is a world in which ana, who works for acme alone, has a session on
// acme/db01, and root can move that.
func movable(t *testing.T) (w *world, ana, root console.Backend, session sessionlog.SessionID, link *fakeLink) {
	w = newWorld(t, Config{})
	w.db01 = w.enroll("acme", "db01")
	ana = w.technician("ana", console.RoleTechnician, "acme")
	root = w.technician("root", console.RoleAdmin)
	link = w.attach(w.db01)
	return w, ana, root, w.open(ana, w.db01), link
}

// From the receipt of a move on, nothing of the client of before runs there.
func TestNothingRunsAfterAMove(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			w, ana, root, session, link := movable(t)
			w.do(root, console.MoveEndpoint{Endpoint: w.db01, Client: "borealis"})
			_, err := ana.Do(t.Context(), console.Run{Session: session, Step: sessionlog.NewStepID(), Command: "id"})
			synctest.Wait()
			if err == nil || len(link.calls) > 0 {
				t.Fatalf("it ran at borealis: %v", err)
			}
		})
	}
}

// Not even while the session cannot be sealed, because a step in it does not end. Once
// that does, it is.
func TestMovedWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ana, root, session, link := movable(t)
		old, _ := w.run(ana, session, "sleep 1000")
		(<-link.calls).say(Started{PID: 1})
		link.lose()
		w.do(root, console.MoveEndpoint{Endpoint: w.db01, Client: "borealis"})
		pause(time.Minute)
		link = w.attach(w.db01)
		conv := <-link.calls
		if conv.call.Step != old || !conv.call.Resume {
			t.Fatalf("the endpoint is told %+v", conv.call)
		}
		_, err := ana.Do(t.Context(), console.Run{Session: session, Step: sessionlog.NewStepID(), Command: "cat /etc/shadow"})
		synctest.Wait()
		if err == nil || len(link.calls) > 0 {
			t.Errorf("acme's ana runs a command at borealis: %v", err)
		}
		conv.say(Exit{Ended: sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1}})
		if why := w.sealedBy(session); why != "the endpoint was moved to another client" {
			t.Errorf("sealed because %q", why)
		}
	})
}

func TestNoApprovalAfterAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, link := gatedWorld(t, Config{})
		step, _ := w.run(people["ana"], session, "true")
		digest := w.waits(people["bo"])[0].Digest
		w.do(people["root"], console.MoveEndpoint{Endpoint: w.db01, Client: "borealis"})
		_, err := people["bo"].Do(t.Context(), console.Approve{Session: session, Step: step, Digest: digest})
		synctest.Wait()
		if err == nil || len(link.calls) > 0 {
			t.Errorf("what acme's lead approved runs at borealis: %v", err)
		}
	})
}

// A rule that asks how many endpoints a step was asked for gets the same answer after
// a restart.
func TestTargetsOutliveTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, people, session, _ := gatedWorld(t, Config{})
		w.do(people["root"], console.ApplyPolicy{Text: policy.Default + `
@id("many-need-two")
forbid (principal, action in Action::"run", resource) when { context.targets > 10 && context.approvals < 2 };`})
		step := sessionlog.NewStepID()
		w.do(people["ana"], console.Run{Session: session, Step: step, Command: "reboot", Targets: 50})
		digest := w.waits(people["bo"])[0].Digest
		w.relay.Close()
		w.start(Config{})
		link := w.attach(w.db01)
		bo := w.relay.Console(people["bo"].Self())
		w.do(bo, console.Approve{Session: session, Step: step, Digest: digest})
		synctest.Wait()
		if len(link.calls) > 0 {
			t.Error("it runs after one approval of two")
		}
	})
}

// A record that a relay made and died before it told anybody keeps nothing from going on.
func TestEmptyRecord(t *testing.T) {
	w, _, _, _ := staffed(t, Config{})
	w.relay.Close()
	if _, err := w.records.Create(t.Context(), "acme", sessionlog.NewSessionID()); err != nil {
		t.Fatal(err)
	}
	w.start(Config{})
	if w.relay.unread {
		t.Error("no step is settled any more")
	}
}

// Next of an inbox ends with its context, and by Close, whoever has a session's turn.
func TestInboxEnds(t *testing.T) {
	for name, end := range map[string]func(console.Inbox, context.CancelFunc){
		"context": func(_ console.Inbox, cancel context.CancelFunc) { cancel() },
		"close":   func(in console.Inbox, _ context.CancelFunc) { in.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, people, session, _ := gatedWorld(t, Config{})
				w.run(people["ana"], session, "true")
				synctest.Wait()
				w.relay.mu.Lock()
				s := w.relay.sessions[session]
				w.relay.mu.Unlock()
				s.turn <- struct{}{} // as whoever waits for a full disk
				in, err := people["bo"].Inbox(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error)
				go func() {
					_, err := in.Next(ctx)
					done <- err
				}()
				synctest.Wait()
				end(in, cancel)
				if err := <-done; err == nil {
					t.Error("it returned as if nothing had been")
				}
				<-s.turn
			})
		})
	}
}

// A fullLog is a log whose disk is full: what is submitted waits.
type fullLog struct {
	sessionlog.Log
	full atomic.Bool
	held []*sessionlog.Commit // read once nothing is submitted any more
}

func (l *fullLog) Submit(ctx context.Context, evs ...sessionlog.Event) (*sessionlog.Commit, error) {
	if l.full.Load() {
		c := sessionlog.NewCommit()
		l.held = append(l.held, c)
		return c, nil
	}
	return l.Log.Submit(ctx, evs...)
}

// A relay whose fleet's log is held by a full disk can be closed.
func TestCloseOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, ana := filed(t, Config{})
		db := w.enroll("acme", "db09")
		w.attach(db)
		w.seal(ana, db)
		w.relay.Close()
		log := &fullLog{Log: w.log}
		var err error
		if w.fleet, err = fleet.Open(t.Context(), log, fleet.Config{}); err != nil {
			t.Fatal(err)
		}
		log.full.Store(true)
		w.file(c, Config{Keep: KeepPolicy{Keep: time.Millisecond}})
		pause(2 * time.Hour)
		w.relay.Close()              // or the bubble is deadlocked
		for _, c := range log.held { // as closing the log does
			c.Resolve(sessionlog.Head{}, sessionlog.ErrClosed)
		}
		if len(log.held) != 1 {
			t.Errorf("%d changes were held", len(log.held))
		}
	})
}
