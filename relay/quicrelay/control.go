package quicrelay

import (
	"bytes"
	"fmt"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/time/rate"

	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
)

// A talk is what is said on the control stream of an agent that is welcome. It is
// owned by the goroutine that reads the stream.
type talk struct {
	// Static.
	s      *Server
	id     sessionlog.EndpointID
	given  []byte // by this connection's Welcome, to be shown next time
	detach func()

	kept bool // given is on the agent's disk
}

// listen answers what the agent says until the control stream ends. One that says more
// than an agent has to say is sent away: each message costs all others something.
func (t *talk) listen(stream *quic.Stream, r *wire.Reader) error {
	pace := rate.NewLimiter(wire.ControlRate, wire.ControlBurst)
	for {
		var m wire.FromAgent
		if err := r.Read(&m); err != nil {
			return fmt.Errorf("control stream: %w", err)
		}
		if !pace.Allow() {
			return invalid("an agent says at most %d things a second, and %d at once", wire.ControlRate, wire.ControlBurst)
		}
		reply := t.answer(&m)
		if reply == nil {
			continue
		}
		if err := wire.Write(stream, reply); err != nil {
			return fmt.Errorf("control stream: %w", err)
		}
	}
}

// answer takes a message and returns what is to be said to it, which may be nothing.
func (t *talk) answer(m *wire.FromAgent) *wire.ToAgent {
	switch {
	case m.GetHeartbeat() != nil:
		return t.beat(m.GetHeartbeat())
	case m.GetHello() != nil: // a later one says what its policy allows now
		t.s.cfg.Relay.Effects(t.id, effects(m.GetHello().GetEffects()))
	case m.GetKept() != nil:
		return t.keep(m.GetKept().GetResume())
	case m.GetCatalogue() != nil:
		return t.catalogue(m.GetCatalogue().GetSpecs())
	case m.GetDrain() != nil:
		t.detach() // it gets no new steps; what it still has to tell is heard
	default:
		return refusal(wire.Refused_CODE_UNSUPPORTED, "not known here")
	}
	return nil
}

// beat answers a heartbeat.
func (t *talk) beat(h *wire.Heartbeat) *wire.ToAgent {
	if h.GetRoundTrip() > 0 {
		t.s.cfg.Relay.Clock(t.id, time.Duration(h.GetClockOffset()))
	}
	return &wire.ToAgent{Message: &wire.ToAgent_Heartbeat{Heartbeat: &wire.Heartbeat{
		AgentTime: h.GetAgentTime(), RelayTime: time.Now().UnixNano(), Padding: make([]byte, wire.HeartbeatPadding),
	}}}
}

// keep takes that an agent has on disk what it was given, and nothing else: whoever
// could say more would decide what the other holders of its key have to show.
func (t *talk) keep(it []byte) *wire.ToAgent {
	if !bytes.Equal(it, t.given) {
		return refusal(wire.Refused_CODE_INVALID, "kept is not what the welcome gave")
	}
	if !t.kept {
		t.kept = true
		t.s.resumes.kept(t.id, it)
	}
	return nil
}

// catalogue takes what the agent can be asked. One that is refused can be asked nothing,
// and works all the same.
func (t *talk) catalogue(specs []byte) *wire.ToAgent {
	if len(specs) > wire.MaxCatalogue {
		return refusal(wire.Refused_CODE_UNSUPPORTED, "the catalogue is too large")
	}
	if err := t.s.cfg.Relay.Catalogue(t.id, specs); err != nil {
		t.s.cfg.Log.Warn("checks of an endpoint not taken", "endpoint", t.id, "err", err)
		return refusal(wire.Refused_CODE_UNSUPPORTED, clip(err.Error()))
	}
	return nil
}

func refusal(code wire.Refused_Code, why string) *wire.ToAgent {
	return &wire.ToAgent{Message: &wire.ToAgent_Refused{Refused: &wire.Refused{Code: code, Why: why}}}
}
