package quicrelay

import (
	"sync"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/wire"
)

// How much an agent may send that the relay has not read yet. What a connection
// begins with is enough for an agent that is idle, and for a busy one nearby; more
// comes out of a budget that all share.
const (
	streamWindow    = 128 << 10
	maxStreamWindow = 1 << 20
	connWindow      = 256 << 10
	maxConnWindow   = 4 << 20
	windowBudget    = 128 << 20
)

// A budget is what all connections together may add to their windows.
type budget struct {
	mu    sync.Mutex // guards what follows
	left  uint64
	taken map[*quic.Conn]uint64
}

func newBudget(n uint64) *budget { return &budget{left: n, taken: map[*quic.Conn]uint64{}} }

// take reports whether conn may have n bytes more.
func (b *budget) take(conn *quic.Conn, n uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return false
	}
	b.left -= n
	b.taken[conn] += n
	return true
}

// put gives back what conn had.
func (b *budget) put(conn *quic.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += b.taken[conn]
	delete(b.taken, conn)
}

// quicConfig returns the relay's side of wire.Config.
func (s *Server) quicConfig() *quic.Config {
	c := wire.Config()
	c.HandshakeIdleTimeout = handshakeTimeout
	c.MaxIncomingStreams = 1 // the control stream: those of steps are ours to open
	c.InitialStreamReceiveWindow, c.MaxStreamReceiveWindow = streamWindow, maxStreamWindow
	c.InitialConnectionReceiveWindow, c.MaxConnectionReceiveWindow = connWindow, maxConnWindow
	c.AllowConnectionWindowIncrease = s.budget.take
	return c
}
