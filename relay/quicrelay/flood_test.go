package quicrelay

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/penalty"
	"github.com/caisey/caisey/relay/wire"
)

// A mob comes from many addresses, completes every handshake that it can, and says
// nothing on any connection.
type mob struct {
	s       *station
	in      atomic.Int64 // handshakes completed
	refused atomic.Int64
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// newMob lets come from each of 127.3.0.1 to 127.3.0.ADDRS as many at a time as each.
func newMob(s *station, addrs, each int) *mob {
	ctx, stop := context.WithCancel(context.Background())
	m := &mob{s: s, stop: stop}
	id, err := wire.NewIdentity()
	if err != nil {
		s.t.Fatal(err)
	}
	relay, err := net.ResolveUDPAddr("udp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range addrs {
		tr := s.from(net.IPv4(127, 3, 0, byte(1+i)))
		for range each {
			m.done.Go(func() {
				for ctx.Err() == nil {
					m.come(ctx, tr, relay, id)
				}
			})
		}
	}
	s.t.Cleanup(m.leave)
	return m
}

func (m *mob) leave() { m.stop(); m.done.Wait() }

// come connects, and holds the connection until the relay closes it. Who is refused
// comes again a quarter of a second later.
func (m *mob) come(ctx context.Context, tr *quic.Transport, relay net.Addr, id *wire.Identity) {
	conn, err := tr.Dial(ctx, relay, id.DialTLS(wire.ProtoEnroll, m.s.identity.Public()), wire.Config())
	if err != nil {
		m.refused.Add(1)
		select {
		case <-time.After(time.Second / 4):
		case <-ctx.Done():
		}
		return
	}
	m.in.Add(1)
	select {
	case <-conn.Context().Done():
	case <-ctx.Done():
	}
	_ = conn.CloseWithError(0, "") // it may be gone already
}

// from returns what dials from an address of loopback.
func (s *station) from(ip net.IP) *quic.Transport {
	s.t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
	if err != nil {
		s.t.Skipf("this system has one loopback address only: %v", err)
	}
	tr := &quic.Transport{Conn: socket}
	s.t.Cleanup(func() { _, _ = tr.Close(), socket.Close() })
	return tr
}

// shrink makes the gate a sixteenth of what it is, in its proportions: a test cannot
// complete as many handshakes as a mob can before the first of them is closed.
func (g *gate) shrink() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most = limits{maxHandshakes / 16, reservedHandshakes / 16, maxUnverified / 16, maxHandshakesPerAddr / 16, maxHandshakesPerSite / 16}
}

// Those who finish the handshake and say nothing hold all places that strangers may
// have. They keep no endpoint out that was there before, and in the end not even a
// stranger: who is silent again and again is turned away.
func TestSilentMobKeepsNobodyOut(t *testing.T) {
	s := newStationWith(t, 0, Config{Penalty: penalty.Config{Free: 2, First: time.Hour, Longest: time.Hour}})
	g := s.server.gate
	g.shrink()
	id, _ := s.enrolled("db01")
	conn, err := s.hello(id, &wire.Hello{})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWithError(0, "")
	m := newMob(s, 8, 4)
	strangers := maxHandshakes/16 - reservedHandshakes/16
	g.await(t, strangers)
	stranger := s.from(net.IPv4(127, 4, 0, 1))
	knock := func() error {
		relay, err := net.ResolveUDPAddr("udp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := stranger.Dial(t.Context(), relay, id.DialTLS(wire.ProtoAgent, s.identity.Public()), wire.Config())
		if err == nil {
			_ = conn.CloseWithError(0, "")
		}
		return err
	}
	if err := knock(); err == nil || !strings.Contains(err.Error(), "CONNECTION_REFUSED") {
		t.Fatalf("the mob holds all places, and a stranger is answered %v", err)
	}
	begun := time.Now()
	for i := range 20 {
		conn, err := s.hello(id, &wire.Hello{})
		if err != nil {
			t.Fatalf("the endpoint comes back for the %d. time: %v", i+1, err)
		}
		_ = conn.CloseWithError(0, "")
	}
	t.Logf("the endpoint came back 20 times in %v; %d of the mob came in, %d were refused",
		time.Since(begun).Round(time.Millisecond), m.in.Load(), m.refused.Load())
	g.await(t, 0) // all of the mob were silent, and not one comes in any more
	if err := knock(); err != nil {
		t.Errorf("a stranger, when the mob is turned away: %v", err)
	}
	t.Logf("%d of the mob came in, %d were refused", m.in.Load(), m.refused.Load())
	m.leave()
	if os.Getenv("CAISEY_LONG") != "" {
		t.Run("full size", silentMobOfFullSize)
	}
}

// The relay that starts next knows where endpoints are, whatever became of this one.
func TestNextRelayKnowsTheNetworks(t *testing.T) {
	dir, here := t.TempDir(), at("127.0.0.1").network
	s := newStationWith(t, 0, Config{Resume: dir})
	if s.server.gate.known.has(here) {
		t.Fatal("nobody was there yet")
	}
	id, _ := s.enrolled("db01")
	if _, err := s.hello(id, &wire.Hello{}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		if _, err := os.Stat(filepath.Join(dir, knownFile)); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if next := newStationWith(t, 0, Config{Resume: dir}); !next.server.gate.known.has(here) {
		t.Error("it does not")
	}
}

// silentMobOfFullSize is the same for a relay as it is, with its full 512 places.
func silentMobOfFullSize(t *testing.T) {
	s := newStation(t)
	g := s.server.gate
	id, _ := s.enrolled("db01")
	conn, err := s.hello(id, &wire.Hello{})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWithError(0, "")
	m := newMob(s, 100, 8)
	full := func() bool { total, _ := g.counts(); return total >= maxHandshakes-reservedHandshakes }
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	sawFull, back := 0, 0
	var slowest time.Duration
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); <-tick.C {
		before := full()
		begun := time.Now()
		conn, err := s.hello(id, &wire.Hello{})
		if err != nil {
			t.Fatalf("the endpoint comes back for the %d. time: %v", back+1, err)
		}
		_ = conn.CloseWithError(0, "")
		slowest = max(slowest, time.Since(begun))
		if back++; before {
			sawFull++
		}
	}
	m.leave()
	if sawFull == 0 {
		t.Error("strangers never had all their places")
	}
	t.Logf("the endpoint came back %d times, %d of them when strangers had all their places, the slowest in %v; %d of the mob came in, %d were refused",
		back, sawFull, slowest.Round(time.Millisecond), m.in.Load(), m.refused.Load())
}
