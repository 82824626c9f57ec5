package agent

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"

	"github.com/caisey/caisey/agent/proc"
	"github.com/caisey/caisey/relay/wire"
)

// A cable is a network that can be cut.
type cable struct {
	simnet.PerfectRouter
	cut atomic.Bool
}

func (c *cable) SendPacket(p simnet.Packet) error {
	if c.cut.Load() {
		return nil
	}
	return c.PerfectRouter.SendPacket(p)
}

// A world is a relay and an agent on a simulated network in simulated time.
type world struct {
	*stubRelay
	cable *cable
	data  string // the agent's directory
	stop  func()
}

func simulate(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{cable: &cable{}}
		sim := &simnet.Simnet{Router: w.cable}
		link := simnet.NodeBiDiLinkSettings{Latency: 20 * time.Millisecond}
		relay := sim.NewEndpoint(&net.UDPAddr{IP: net.IPv4(1, 0, 0, 1).To4(), Port: 7000}, link)
		agent := sim.NewEndpoint(&net.UDPAddr{IP: net.IPv4(1, 0, 0, 2).To4(), Port: 7000}, link)
		if err := sim.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sim.Close() })
		w.stubRelay = newStubOn(t, relay)
		w.patience = time.Hour
		w.data = enrolled(t, w.stubRelay)
		w.stop = runAgent(t, Config{
			Data:   w.data,
			Socket: func() (net.PacketConn, error) { return agent, nil },
			start:  startFake,
		})
		test(t, w)
		w.stop()
	})
}

// A fake stands in for a process: it says a line every second, as many as its
// command says, and ends.
type fake struct {
	stop chan struct{}
	once sync.Once
	done chan proc.Result
}

func startFake(c proc.Command, sink proc.Sink) (process, error) {
	f := &fake{stop: make(chan struct{}), done: make(chan proc.Result, 1)}
	if c.Line == "flood" {
		go func() { f.done <- flood(sink) }()
		return f, nil
	}
	n := 0
	if _, err := fmt.Sscan(c.Line, &n); err != nil {
		return nil, err
	}
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for i := range n {
			select {
			case <-tick.C:
			case <-f.stop:
				f.done <- proc.Result{State: proc.Cancelled, Code: -1, Why: whyStopped}
				return
			}
			if err := sink(proc.Stdout, fmt.Appendf(nil, "line %d\n", i)); err != nil {
				f.done <- proc.Result{State: proc.Failed, Why: err.Error()}
				return
			}
		}
		f.done <- proc.Result{State: proc.OK}
	}()
	return f, nil
}

// floodLines is how many lines flood says on each stream: 2.5 MB.
const floodLines = 200_000

// flood says lines on both streams as fast as it can.
func flood(sink proc.Sink) proc.Result {
	var streams sync.WaitGroup
	for _, stream := range []int{proc.Stdout, proc.Stderr} {
		streams.Go(func() {
			for text := []byte(lines(floodLines)); len(text) > 0; {
				n := min(len(text), 30_000)
				if sink(stream, text[:n]) != nil {
					return
				}
				text = text[n:]
			}
		})
	}
	streams.Wait()
	return proc.Result{State: proc.OK}
}

func (f *fake) Ident() proc.Ident { return proc.Ident{Pid: 1 << 30} }
func (f *fake) Stop(string)       { f.once.Do(func() { close(f.stop) }) }
func (f *fake) Wait() proc.Result { return <-f.done }

// wait lets simulated time pass.
func wait(d time.Duration) { <-time.After(d) }

func lines(n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

// A network that is away for less than the idle time costs nothing but that time,
// and one that is away for longer costs a connection.
func TestOutage(t *testing.T) {
	for _, outage := range []time.Duration{30 * time.Second, 10 * time.Minute} {
		simulate(t, func(t *testing.T, w *world) {
			c := w.agent()
			s := c.start("S1", "900")
			for s.next[1] < int64(len(lines(20))) {
				if _, err := s.read(); err != nil {
					t.Fatal(err)
				}
			}
			w.cable.cut.Store(true)
			wait(outage)
			w.cable.cut.Store(false)
			if outage > wire.IdleTimeout {
				c = w.agent()
				if fmt.Sprint(c.hello.GetSteps()) != "[S1]" {
					t.Fatal(c.hello)
				}
				s = c.resume("S1", s)
			}
			if exit := s.exit(); exit.GetState() != wire.Exit_STATE_OK || s.out[1].String() != lines(900) {
				t.Fatal(describe(exit), s.out[1].Len())
			}
			s.done()
		})
	}
}

// A relay that forgot the connection, or is there and silent, is noticed.
func TestSilentRelay(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.agent()
		w.set(func() { w.mute = true })
		begin := time.Now()
		w.agent()
		if d := time.Since(begin); d < silence-wire.HeartbeatEvery || d > silence+backoffMax {
			t.Fatalf("noticed after %v", d)
		}
	})
}

// The clocks are compared at once, and the heart beats on.
func TestHeartbeat(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.set(func() { w.skew = -90 * time.Second })
		begin := time.Now()
		w.agent()
		first, second := <-w.beats, <-w.beats
		if d := time.Since(begin); d > time.Second {
			t.Fatalf("second heartbeat after %v", d)
		}
		if first.GetRoundTrip() != 0 || len(first.GetPadding()) != wire.HeartbeatPadding {
			t.Fatal(first)
		}
		if rtt := time.Duration(second.GetRoundTrip()); rtt < 40*time.Millisecond || rtt > 80*time.Millisecond {
			t.Errorf("round trip %v", rtt)
		}
		offset := time.Duration(second.GetClockOffset()) // the agent's clock is ahead
		if off := offset - 90*time.Second; off.Abs() > 30*time.Millisecond {
			t.Errorf("clock offset %v", offset)
		}
		wait(10 * wire.HeartbeatEvery)
		if n := len(w.beats); n < 9 || n > 11 {
			t.Errorf("%d heartbeats in 10 periods", n)
		}
	})
}

// A relay that drains is left and found again soon, when it closes or when it
// does not.
func TestDrain(t *testing.T) {
	for _, closes := range []bool{true, false} {
		simulate(t, func(t *testing.T, w *world) {
			c := w.agent()
			begin := time.Now()
			err := wire.Write(c.ctl, &wire.ToAgent{Message: &wire.ToAgent_Drain{Drain: &wire.Drain{Why: "restart"}}})
			if err != nil {
				t.Fatal(err)
			}
			wait(100 * time.Millisecond)
			if closes {
				_ = c.conn.CloseWithError(0, "restart")
			}
			w.agent()
			limit := drainSpread + time.Second
			if !closes {
				limit += drainWait
			}
			if d := time.Since(begin); d > limit || !closes && d < drainWait {
				t.Fatalf("back after %v", d)
			}
		})
	}
}

// An agent that is not wanted asks seldom, and is back when it is.
func TestDenied(t *testing.T) {
	revoked := &wire.Refused{Code: wire.Refused_CODE_DENIED, Why: "revoked"}
	for name, deny := range map[string]func(*stubRelay){
		"by word": func(r *stubRelay) { r.refuse = revoked },
		"by handshake": func(r *stubRelay) {
			r.admit = func(ed25519.PublicKey) error { return errors.New("unknown key") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *world) {
				c := w.agent()
				var asked atomic.Int32
				w.set(func() {
					deny(w.stubRelay)
					admit := w.admit
					w.admit = func(k ed25519.PublicKey) error { asked.Add(1); return admit(k) }
				})
				_ = c.conn.CloseWithError(0, "revoked")
				wait(time.Hour)
				if n := asked.Load(); n < 12 || n > 30 {
					t.Errorf("asked %d times in an hour", n)
				}
				w.set(func() {
					w.refuse = nil
					w.admit = func(ed25519.PublicKey) error { return nil }
				})
				w.agent()
			})
		})
	}
}

// Two agents with one key do not take the place of each other all the time.
func TestReplaced(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		c := w.agent()
		for range 3 {
			begin := time.Now()
			_ = c.conn.CloseWithError(wire.CodeReplaced, "a newer connection of the endpoint took over")
			c = w.agent()
			if d := time.Since(begin); d < deniedWait/2 || d > deniedWait+time.Second {
				t.Errorf("back after %v", d)
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	for n, limit := range []time.Duration{
		backoffMin, 2 * backoffMin, 4 * backoffMin, 8 * backoffMin, 16 * backoffMin, 32 * backoffMin, 64 * backoffMin,
		128 * backoffMin, backoffMax, backoffMax,
	} {
		var longest time.Duration
		for range 200 {
			longest = max(longest, pause(n, errors.New("x")))
		}
		if longest > limit || longest < limit/2 {
			t.Errorf("after %d failures up to %v, not %v", n, longest, limit)
		}
	}
	if d := pause(1_000_000, errors.New("x")); d < 0 || d > backoffMax {
		t.Error(d)
	}
}

// A stop while the network is away does not wait for it, and keeps the end.
func TestStopWhileAway(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		c := w.agent()
		s := c.start("S1", "100")
		for s.next[1] == 0 {
			if _, err := s.read(); err != nil {
				t.Fatal(err)
			}
		}
		w.cable.cut.Store(true)
		begin := time.Now()
		w.stop()
		if d := time.Since(begin); d > endWait+ackWait+time.Second {
			t.Fatalf("took %v", d)
		}
	})
}
