package quicrelay

import (
	"crypto/ed25519"
	"encoding/hex"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
)

// A conversation is a step's stream as the relay sees it.
type conversation struct {
	stream *quic.Stream
	r      *wire.Reader // owned by the goroutine that calls Recv
	said   atomic.Bool  // Done was said
}

func (c *conversation) send(m *wire.ToStep) error { return wire.Write(c.stream, m) }

// Ack implements relay.Conversation.
func (c *conversation) Ack(stream sessionlog.Stream, offset int64) error {
	return c.send(&wire.ToStep{Message: &wire.ToStep_Ack{Ack: &wire.Ack{Stream: wire.Stream(stream), Offset: offset}}})
}

// Cancel implements relay.Conversation.
func (c *conversation) Cancel() error {
	return c.send(&wire.ToStep{Message: &wire.ToStep_Cancel{Cancel: &wire.Cancel{}}})
}

// Done implements relay.Conversation.
func (c *conversation) Done() error {
	if err := c.send(&wire.ToStep{Message: &wire.ToStep_Done{Done: &wire.Done{}}}); err != nil {
		return err
	}
	c.said.Store(true)
	return c.stream.Close()
}

// Close implements relay.Conversation. It may be called while others read and
// write; after Done, what was sent still arrives.
func (c *conversation) Close() {
	c.stream.CancelRead(0)
	if !c.said.Load() {
		c.stream.CancelWrite(0)
	}
}

// Recv implements relay.Conversation.
func (c *conversation) Recv() (relay.Report, error) {
	for {
		var m wire.FromStep
		if err := c.r.Read(&m); err != nil {
			return nil, err
		}
		if m.GetMessage() != nil { // newer agents may say what is not known here
			return report(&m)
		}
	}
}

func report(m *wire.FromStep) (relay.Report, error) {
	switch m := m.GetMessage().(type) {
	case *wire.FromStep_Started:
		return relay.Started{PID: int(m.Started.GetPid()), Time: clock(m.Started.GetAgentTime())}, nil
	case *wire.FromStep_Output:
		return output(m.Output)
	case *wire.FromStep_Gap:
		return gap(m.Gap)
	case *wire.FromStep_Exit:
		return exit(m.Exit)
	case *wire.FromStep_Refused:
		return relay.Refused{Why: clip(m.Refused.GetWhy())}, nil
	case *wire.FromStep_Unknown:
		return relay.Unknown{}, nil
	}
	return nil, invalid("agent sent a %T", m.GetMessage())
}

func clock(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func stream(s wire.Stream) (sessionlog.Stream, error) {
	if out := sessionlog.Stream(s); int(out) == int(s) && out.Valid() {
		return out, nil
	}
	return 0, invalid("agent named stream %d", s)
}

func output(o *wire.Output) (relay.Report, error) {
	s, err := stream(o.GetStream())
	if err != nil {
		return nil, err
	}
	if n := len(o.GetData()); n == 0 || n > wire.MaxOutput || o.GetOffset() < 0 {
		return nil, invalid("output of %d bytes at %d is out of bounds", n, o.GetOffset())
	}
	return relay.Output{Stream: s, Offset: o.GetOffset(), Data: o.GetData(), Time: clock(o.GetAgentTime())}, nil
}

func gap(g *wire.Gap) (relay.Report, error) {
	s, err := stream(g.GetStream())
	if err != nil {
		return nil, err
	}
	if off, n := g.GetOffset(), g.GetBytes(); off < 0 || n <= 0 || n > math.MaxInt64-off {
		return nil, invalid("gap of %d bytes at %d is out of bounds", n, off)
	}
	return relay.Gap{Stream: s, Offset: g.GetOffset(), Bytes: g.GetBytes(), Time: clock(g.GetAgentTime())}, nil
}

var outcomes = map[wire.Exit_State]sessionlog.Outcome{
	wire.Exit_STATE_OK:        sessionlog.OK,
	wire.Exit_STATE_FAILED:    sessionlog.Failed,
	wire.Exit_STATE_TIMED_OUT: sessionlog.TimedOut,
	wire.Exit_STATE_CANCELLED: sessionlog.Cancelled,
	wire.Exit_STATE_LOST:      sessionlog.Lost,
}

func exit(e *wire.Exit) (relay.Report, error) {
	state, ok := outcomes[e.GetState()]
	if !ok {
		return nil, invalid("agent ended a step in state %d", e.GetState())
	}
	if n := len(e.GetStatement()); n != 0 && n != ed25519.SignatureSize {
		return nil, invalid("agent ended a step with a statement of %d bytes", n)
	}
	ended := sessionlog.Ended{
		State: state, Exit: int(e.GetCode()), Signal: clip(e.GetSignal()), Why: clip(e.GetWhy()),
		Duration: time.Duration(e.GetDuration()).Seconds(), Statement: hex.EncodeToString(e.GetStatement()),
	}
	for _, t := range e.GetTotals() {
		s, err := stream(t.GetStream())
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(ended.Streams, func(other sessionlog.StreamTotal) bool { return other.Stream == s.String() }) {
			return nil, invalid("agent ended a step with two totals of %s", s)
		}
		ended.Streams = append(ended.Streams, sessionlog.StreamTotal{
			Stream: s.String(), Bytes: t.GetBytes(), SHA256: hex.EncodeToString(t.GetSha256()),
		})
	}
	return relay.Exit{Ended: ended, Time: clock(e.GetAgentTime())}, nil
}
