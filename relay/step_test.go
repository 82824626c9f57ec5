package relay

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

func TestStepIsRecordedThenAcked(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, receipt := w.run(ana, session, "echo hello")
	conv := <-link.calls
	if c := conv.call; c.Resume || c.Command != "echo hello" || c.Technician != "ana" || c.Session != session || c.Timeout != time.Minute {
		t.Errorf("agent was told %+v", c)
	}
	go conv.say(Started{PID: 7}, out(0, "hel"), out(3, "lo\n"), exitOK("hello\n"))
	<-conv.settled
	evs := w.await(ana, session, step)
	if got := text(evs, sessionlog.Stdout); got != "hello\n" {
		t.Errorf("recorded %q", got)
	}
	if evs[0].Seq != receipt.Seq || evs[0].Actor != "technician:ana" {
		t.Errorf("request is %+v, receipt says %d", evs[0], receipt.Seq)
	}
	if e := ended(t, evs); e.State != sessionlog.OK {
		t.Errorf("ended %+v", e)
	}
}

func TestResumeTrimsRepeatsAndRefusesGaps(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, _ := w.run(ana, session, "cat big")
	first := <-link.calls
	go first.say(Started{PID: 7}, out(0, "abc"))
	first.awaitAck(3)
	link.lose()

	link = w.attach(w.db01, step)
	second := <-link.calls
	if c := second.call; !c.Resume || c.Acked[sessionlog.Stdout] != 3 {
		t.Fatalf("agent was told %+v", c)
	}
	go second.say(out(1, "bcd"), out(9, "never"))
	third := <-link.calls // the gap ends the second
	if c := third.call; c.Acked[sessionlog.Stdout] != 4 {
		t.Fatalf("agent was told %+v", c)
	}
	go third.say(out(2, "cd"), out(4, "ef"), exitOK("abcdef"))
	evs := w.await(ana, session, step)
	if got := text(evs, sessionlog.Stdout); got != "abcdef" {
		t.Errorf("recorded %q", got)
	}
	if e := ended(t, evs); e.State != sessionlog.OK {
		t.Errorf("ended %+v", e)
	}
}

func TestOutputThatDoesNotAgreeIsLost(t *testing.T) {
	for name, said := range map[string]Exit{"other": exitOK("abX"), "more": exitOK("abcd"), "none": exitOK("")} {
		t.Run(name, func(t *testing.T) {
			w, ana, session, link := staffed(t, Config{})
			step, _ := w.run(ana, session, "cat")
			conv := <-link.calls
			go conv.say(out(0, "abc"), said)
			if e := ended(t, w.await(ana, session, step)); e.State != sessionlog.Lost || e.Why == "" {
				t.Errorf("ended %+v", e)
			}
		})
	}
}

func TestSecondRequestOfAStepIsOne(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, first := w.run(ana, session, "true")
	again, err := ana.Do(t.Context(), console.Run{Session: session, Step: step, Command: "true"})
	if err != nil || again.Seq != first.Seq {
		t.Errorf("second receipt %+v, %v; first %+v", again, err, first)
	}
	conv := <-link.calls
	go conv.say(exitOK(""))
	w.await(ana, session, step)
	select {
	case c := <-link.calls:
		t.Errorf("agent was called again: %+v", c.call)
	default:
	}
}

func TestOfflineEndpoint(t *testing.T) {
	w := newWorld(t, Config{})
	ep := w.enroll("acme", "db01")
	ana := w.technician("ana", console.RoleTechnician)
	session := w.open(ana, ep)
	step, _ := w.run(ana, session, "true")
	if e := ended(t, w.await(ana, session, step)); e.State != sessionlog.Offline {
		t.Errorf("ended %+v", e)
	}
}

func TestAnswersOfTheAgent(t *testing.T) {
	for name, c := range map[string]struct {
		says Report
		want sessionlog.Outcome
	}{
		"refused": {Refused{Why: "read-only"}, sessionlog.Refused},
		"unknown": {Unknown{}, sessionlog.Lost},
		"failed":  {Exit{Ended: sessionlog.Ended{State: sessionlog.Failed, Exit: 3}}, sessionlog.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			w, ana, session, link := staffed(t, Config{})
			step, _ := w.run(ana, session, "x")
			conv := <-link.calls
			go conv.say(c.says)
			if e := ended(t, w.await(ana, session, step)); e.State != c.want {
				t.Errorf("ended %+v, want %s", e, c.want)
			}
		})
	}
}

// A refusal in the middle is about a message, not about the step.
func TestRefusalOfARunningStepIsNotItsEnd(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, _ := w.run(ana, session, "x")
	conv := <-link.calls
	go conv.say(Started{PID: 1}, Refused{Why: "not known here"})
	again := <-link.calls
	if !again.call.Resume {
		t.Fatalf("agent was told %+v", again.call)
	}
	go again.say(exitOK(""))
	if e := ended(t, w.await(ana, session, step)); e.State != sessionlog.OK {
		t.Errorf("ended %+v", e)
	}
}

func TestCancelReachesTheAgent(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, _ := w.run(ana, session, "sleep 100")
	conv := <-link.calls
	if _, err := ana.Do(t.Context(), console.Cancel{Session: session, Step: step}); err != nil {
		t.Fatal(err)
	}
	<-conv.cancelled
	go conv.say(Exit{Ended: sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1}})
	evs := w.await(ana, session, step)
	if e := ended(t, evs); e.State != sessionlog.Cancelled {
		t.Errorf("ended %+v", e)
	}
	<-conv.settled
	if _, err := ana.Do(t.Context(), console.Cancel{Session: session, Step: step}); codeOf(err) != console.CodeUsage {
		t.Errorf("cancel of an ended step: %v", err)
	}
}

func TestOutputThatWasNotRecordedIsAskedForAgain(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, _ := w.run(ana, session, "cat")
	conv := <-link.calls
	go conv.say(Started{PID: 1}, out(0, "ab"))
	conv.awaitAck(2)
	log := w.records.logs[session]
	log.mu.Lock()
	log.fail = errors.New("disk full")
	log.mu.Unlock()
	go conv.say(out(2, "cd"))
	again := <-link.calls
	if c := again.call; !c.Resume || c.Acked[sessionlog.Stdout] != 2 {
		t.Fatalf("agent was told %+v", c)
	}
	go again.say(Started{PID: 1}, out(2, "cd"), exitOK("abcd"))
	evs := w.await(ana, session, step)
	if got := text(evs, sessionlog.Stdout); got != "abcd" {
		t.Errorf("recorded %q", got)
	}
	starts := 0
	for _, ev := range evs {
		if ev.Kind == sessionlog.StepStarted {
			starts++
		}
	}
	if starts != 1 {
		t.Errorf("%d starts are recorded", starts)
	}
}

// The end of a step is never on disk before its output is.
func TestEndWaitsForOutput(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, _ := w.run(ana, session, "cat")
	conv := <-link.calls
	log := w.records.logs[session]
	log.mu.Lock()
	log.fail, log.when = errors.New("disk full"), make(chan struct{})
	log.mu.Unlock()
	conv.say(out(0, "ab"), exitOK("ab")) // both are taken before the first is on disk
	close(log.when)
	select {
	case again := <-link.calls:
		go again.say(out(0, "ab"), exitOK("ab"))
	case <-time.After(10 * time.Second):
		t.Fatal("output that was not recorded is not asked for again")
	}
	evs := w.await(ana, session, step)
	if got := text(evs, sessionlog.Stdout); got != "ab" || ended(t, evs).State != sessionlog.OK {
		t.Errorf("recorded %q, %+v", got, ended(t, evs))
	}
}

func TestRelayRestartResumesAndNeverStartsAgain(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	done, _ := w.run(ana, session, "true")
	conv := <-link.calls
	go conv.say(exitOK(""))
	w.await(ana, session, done)
	step, _ := w.run(ana, session, "cat")
	conv = <-link.calls
	go conv.say(Started{PID: 7}, out(0, "ab"))
	conv.awaitAck(2)
	w.relay.Close()

	w.start(Config{})
	ana = w.relay.Console(ana.Self())
	link = w.attach(w.db01, step, done)
	var forgotten bool
	for range 2 { // one call takes the step up, one has the agent forget the other
		conv := <-link.calls
		if !conv.call.Resume {
			t.Fatalf("step %s was started again", conv.call.Step)
		}
		if conv.call.Step == done {
			<-conv.cancelled
			conv.say(exitOK(""))
			<-conv.settled
			forgotten = true
			continue
		}
		if conv.call.Acked[sessionlog.Stdout] != 2 {
			t.Fatalf("agent was told %+v", conv.call)
		}
		go conv.say(out(2, "cd"), exitOK("abcd"))
	}
	evs := w.await(ana, session, step)
	if got := text(evs, sessionlog.Stdout); got != "abcd" || !forgotten {
		t.Errorf("recorded %q, forgotten %v", got, forgotten)
	}
	if got := w.open(ana, w.db01); got != session {
		t.Errorf("after the restart the open session is %s, not %s", got, session)
	}
}

func TestStepWithoutWordIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ana, session, link := staffed(t, Config{LostAfter: 2 * time.Minute})
		defer w.relay.Close()
		begun := time.Now()
		step, _ := w.run(ana, session, "sleep 1")
		<-link.calls
		link.lose()
		if e := ended(t, w.await(ana, session, step)); e.State != sessionlog.Lost {
			t.Errorf("ended %+v", e)
		}
		if took := time.Since(begun); took < 3*time.Minute || took > 4*time.Minute {
			t.Errorf("lost after %v; its limit was one minute", took)
		}
	})
}

// A step that was cancelled before its endpoint heard of it never starts.
func TestCancelledBeforeItWasSent(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	link.deaf.Store(true)
	step, _ := w.run(ana, session, "rm -rf /")
	<-link.refused
	if _, err := ana.Do(t.Context(), console.Cancel{Session: session, Step: step}); err != nil {
		t.Fatal(err)
	}
	link.lose()
	if e := ended(t, w.await(ana, session, step)); e.State != sessionlog.Cancelled {
		t.Errorf("ended %+v", e)
	}
	link = w.attach(w.db01)
	other, _ := w.run(ana, session, "true")
	conv := <-link.calls
	if conv.call.Step != other {
		t.Errorf("the cancelled step was started: %+v", conv.call)
	}
	go conv.say(exitOK(""))
	w.await(ana, session, other)
}

// A cancelled step of an endpoint that does not come back is lost, and lets its
// session be closed.
func TestCancelledWithoutEndpointIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ana, session, link := staffed(t, Config{LostAfter: 5 * time.Second})
		defer w.relay.Close()
		step := sessionlog.NewStepID()
		if _, err := ana.Do(t.Context(), console.Run{Session: session, Step: step, Command: "sleep inf"}); err != nil {
			t.Fatal(err)
		}
		conv := <-link.calls
		conv.say(Started{PID: 1})
		link.lose()
		if _, err := ana.Do(t.Context(), console.Close{Session: session}); err != nil {
			t.Fatal(err)
		}
		if e := ended(t, w.await(ana, session, step)); e.State != sessionlog.Lost {
			t.Errorf("ended %+v", e)
		}
	})
}

// A relay that forgets a step empties the agent's spool, which may be what keeps
// the command from ending.
func TestForgettingAcksOutput(t *testing.T) {
	w, _, _, link := staffed(t, Config{})
	link.lose()
	link = w.attach(w.db01, sessionlog.NewStepID())
	conv := <-link.calls
	<-conv.cancelled
	go conv.say(out(5, "late"), exitOK(""))
	conv.awaitAck(9)
	<-conv.settled
}
