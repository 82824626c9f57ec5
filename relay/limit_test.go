package relay

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/statement"
)

func gapOf(offset, bytes int64) Gap {
	return Gap{Stream: sessionlog.Stdout, Offset: offset, Bytes: bytes}
}

// drain takes the acks that nobody waits for, until the conversation ends.
func (c *fakeConv) drain() {
	for {
		select {
		case <-c.acks:
		case <-c.closed:
			return
		}
	}
}

// exitOf is an end with the totals of stdout and nothing else.
func exitOf(bytes int64, sum string) Exit {
	return Exit{Ended: sessionlog.Ended{State: sessionlog.OK, Streams: []sessionlog.StreamTotal{
		{Stream: "stdout", Bytes: bytes, SHA256: sum},
	}}}
}

func TestGapIsRecordedOnce(t *testing.T) {
	w, ana, session, link := staffed(t, Config{})
	step, _ := w.run(ana, session, "yes")
	first := <-link.calls
	if got := first.call.OutputLimit; got != 64<<20 {
		t.Errorf("agent was told a limit of %d", got)
	}
	go first.say(Started{PID: 7}, out(0, "abc"), gapOf(3, 100))
	first.awaitAck(103)
	link.lose()

	link = w.attach(w.db01, step)
	second := <-link.calls
	if c := second.call; c.Acked[sessionlog.Stdout] != 103 {
		t.Fatalf("agent was told %+v", c)
	}
	go second.say(gapOf(3, 100), gapOf(104, 1)) // a repeat, and one in front
	third := <-link.calls
	if c := third.call; c.Acked[sessionlog.Stdout] != 103 {
		t.Fatalf("agent was told %+v", c)
	}
	go third.say(out(2, "c"), out(103, "tail"), gapOf(100, 8), exitOf(108, "of what is not known here"))
	evs := w.await(ana, session, step)
	if got := text(evs, sessionlog.Stdout); got != "abctail" {
		t.Errorf("recorded %q", got)
	}
	var gaps []sessionlog.Gap
	for _, ev := range evs {
		if ev.Kind == sessionlog.StepGap {
			var gap sessionlog.Gap
			if err := ev.Decode(&gap); err != nil || ev.Actor != "agent:acme/db01" {
				t.Fatal(ev, err)
			}
			gaps = append(gaps, gap)
		}
	}
	const why = "output limit of 64 MiB"
	if len(gaps) != 2 || gaps[0] != (sessionlog.Gap{Stream: "stdout", Offset: 3, Bytes: 100, Why: why}) ||
		gaps[1] != (sessionlog.Gap{Stream: "stdout", Offset: 107, Bytes: 1, Why: why}) {
		t.Errorf("gaps are %+v", gaps)
	}
	if e := ended(t, evs); e.State != sessionlog.OK {
		t.Errorf("ended %+v", e)
	}
}

// The length of a stream with a gap must agree all the same.
func TestGapThatDoesNotAgreeIsLost(t *testing.T) {
	w, ana, session, link := staffed(t, Config{OutputLimit: -1})
	step, _ := w.run(ana, session, "yes")
	conv := <-link.calls
	if got := conv.call.OutputLimit; got != 0 {
		t.Errorf("agent was told a limit of %d", got)
	}
	go conv.say(out(0, "abc"), gapOf(3, 7), exitOf(11, "x"))
	if e := ended(t, w.await(ana, session, step)); e.State != sessionlog.Lost {
		t.Errorf("ended %+v", e)
	}
}

// An agent that does not keep to the limit cannot fill the relay's disk: the step
// ends, and the agent is told to end the command.
func TestExcessiveAgent(t *testing.T) {
	const limit = 1 << 20
	chunk := strings.Repeat("x", 32<<10)
	for name, say := range map[string]func(i int64) Report{
		"output": func(i int64) Report { return out(i*int64(len(chunk)), chunk) },
		"gaps":   func(i int64) Report { return gapOf(i, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			w, ana, session, link := staffed(t, Config{OutputLimit: limit})
			step, _ := w.run(ana, session, "yes")
			conv := <-link.calls
			go conv.drain()
			go func() {
				for i := int64(0); ; i++ {
					select {
					case conv.reports <- say(i):
					case <-conv.closed:
						return
					}
				}
			}()
			evs := w.await(ana, session, step)
			if e := ended(t, evs); e.State != sessionlog.Lost || !strings.Contains(e.Why, "more output than the limit of 1 MiB") {
				t.Errorf("ended %+v", e)
			}
			if n := len(text(evs, sessionlog.Stdout)); n > limit+limitSlack || len(evs) > 5000 {
				t.Errorf("%d bytes in %d events are recorded", n, len(evs))
			}
			last := <-link.calls
			if c := last.call; c.Step != step || !c.Resume {
				t.Fatalf("agent was told %+v", c)
			}
			<-last.cancelled
			go last.say(gapOf(0, 7), exitOK(""))
			last.awaitAck(7)
			<-last.settled
		})
	}
}

// A statement that is not the endpoint's is refused, and the step goes on.
func TestStatementIsChecked(t *testing.T) {
	synctest.Test(t, testStatement) // the relay waits before it asks again
}

func testStatement(t *testing.T) {
	w := newWorld(t, Config{})
	defer w.relay.Close()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.db01 = w.enrollKey("acme", "db01", pub)
	ana := w.technician("ana", console.RoleTechnician)
	link := w.attach(w.db01)
	session := w.open(ana, w.db01)
	step, _ := w.run(ana, session, "echo hello")
	said := func(change func(s *statement.Statement, e *sessionlog.Ended)) Exit {
		e := exitOK("hello\n").Ended
		s := statement.Statement{
			Step: string(step), Command: "echo hello", Stderr: statement.None,
			Stdout: statement.Output{Bytes: 6, SHA256: sha256.Sum256([]byte("hello\n"))},
		}
		change(&s, &e)
		e.Statement = s.Sign(key)
		return Exit{Ended: e}
	}
	for _, change := range []func(s *statement.Statement, e *sessionlog.Ended){
		func(s *statement.Statement, _ *sessionlog.Ended) { s.Step = "other" },
		func(s *statement.Statement, _ *sessionlog.Ended) { s.Command = "echo hullo" },
		func(s *statement.Statement, _ *sessionlog.Ended) { s.Stdout.SHA256[0]++ },
		func(s *statement.Statement, _ *sessionlog.Ended) { s.Stderr.Bytes++ },
		func(_ *statement.Statement, e *sessionlog.Ended) { e.Exit = 1 },
		func(_ *statement.Statement, e *sessionlog.Ended) { e.Signal = "SIGKILL" },
		func(_ *statement.Statement, e *sessionlog.Ended) { e.Streams[0].SHA256 = "no hash" },
		func(*statement.Statement, *sessionlog.Ended) { key[0]++ }, // and for good
	} {
		conv := <-link.calls
		go conv.say(out(0, "hello\n"), said(change))
	}
	key[0]--
	conv := <-link.calls
	good := said(func(*statement.Statement, *sessionlog.Ended) {})
	go conv.say(out(0, "hello\n"), good)
	evs := w.await(ana, session, step)
	e := ended(t, evs)
	if e.State != sessionlog.OK || e.Statement != good.Ended.Statement {
		t.Errorf("ended %+v", e)
	}
	opened := w.opened(ana, session)
	if opened.AgentKey != hex.EncodeToString(pub) {
		t.Errorf("session opened with the agent's key %q", opened.AgentKey)
	}
	step, _ = w.run(ana, session, "true") // an older agent states nothing
	conv = <-link.calls
	go conv.say(exitOK(""))
	if e := ended(t, w.await(ana, session, step)); e.State != sessionlog.OK || e.Statement != "" {
		t.Errorf("ended %+v", e)
	}
}

// opened returns what the record of a session begins with.
func (w *world) opened(b console.Backend, id sessionlog.SessionID) (o sessionlog.Opened) {
	w.t.Helper()
	feed, err := b.Watch(w.t.Context(), id, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	defer feed.Close()
	evs, err := feed.Next(context.WithoutCancel(w.t.Context()))
	if err == nil {
		err = evs[0].Decode(&o)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// enrollKey adds an endpoint whose agent has a key.
func (w *world) enrollKey(client, name string, key ed25519.PublicKey) sessionlog.EndpointID {
	w.t.Helper()
	hash := sha256.Sum256([]byte(rand.Text()))
	if _, err := w.fleet.NewToken(w.t.Context(), sessionlog.Relay, hash, console.NewToken{Client: client}); err != nil {
		w.t.Fatal(err)
	}
	ep, err := w.fleet.Redeem(w.t.Context(), fleet.Redemption{Hash: hash, Key: key, Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return ep.ID
}
