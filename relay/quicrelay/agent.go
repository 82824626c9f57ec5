package quicrelay

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay"
	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
)

// agent serves an enrolled agent until its connection ends.
func (s *Server) agent(conn *quic.Conn, key ed25519.PublicKey) error {
	ep, ok := s.cfg.Fleet.EndpointByKey(key)
	if !ok {
		return &protocolError{wire.CodeDenied, errNotEnrolled}
	}
	defer s.hold(ep.ID, conn)()
	var first wire.FromAgent
	stream, r, err := control(conn, &first)
	if err != nil {
		return err
	}
	hello := first.GetHello()
	if hello == nil {
		return refuse(stream, wire.Refused_CODE_UNSUPPORTED, "say hello first")
	}
	placeOf(conn).hear()
	steps, err := stepIDs(hello.GetSteps())
	if err != nil {
		return err
	}
	resume, err := s.resume(conn, ep, hello.GetResume())
	if errors.Is(err, errCloned) {
		return refuse(stream, wire.Refused_CODE_DENIED, err.Error())
	} else if err != nil {
		return err
	}
	m := machine(hello.GetMachine())
	arrival := relay.Arrival{
		Endpoint: ep.ID, Link: &link{conn}, Steps: steps, Transport: "quic",
		Host: m.Host, OS: m.OS, Arch: m.Arch, Version: m.Version, Effects: effects(hello.GetEffects()),
	}
	if sum := hello.GetChecks(); len(sum) != 0 {
		if len(sum) != len(arrival.Checks) {
			return invalid("hello has a sum of %d bytes", len(sum))
		}
		arrival.Checks = relay.Sum(sum)
	}
	// Welcome goes first: steps may only follow it, and an agent that is gone
	// again never counts as connected.
	welcome := &wire.Welcome{Client: ep.Client, Name: ep.Name, Resume: resume, TellChecks: !s.cfg.Relay.Knows(arrival.Checks)}
	if err := wire.Write(stream, &wire.ToAgent{Message: &wire.ToAgent_Welcome{Welcome: welcome}}); err != nil {
		return fmt.Errorf("welcome agent: %w", err)
	}
	placeOf(conn).free()
	detach := s.cfg.Relay.Attach(arrival)
	defer detach()
	defer context.AfterFunc(conn.Context(), detach)()
	s.cfg.Log.Info("agent connected", "endpoint", ep.Path())
	s.saw(ep.ID, conn)
	defer s.saw(ep.ID, conn) // who was here until now is no stranger
	return (&talk{s: s, id: ep.ID, given: resume, detach: detach}).listen(stream, r)
}

func stepIDs(in []string) ([]sessionlog.StepID, error) {
	if len(in) > wire.MaxSteps {
		return nil, invalid("hello lists %d steps, over the limit of %d", len(in), wire.MaxSteps)
	}
	out := make([]sessionlog.StepID, len(in))
	for i, id := range in {
		if err := sessionlog.CheckID(id); err != nil {
			return nil, invalid("hello: %w", err)
		}
		out[i] = sessionlog.StepID(id)
	}
	return out, nil
}

// effects returns what of an agent's list is known here: nil if it says nothing, as
// older ones do, and "none" alone if it allows nothing that is known.
func effects(said []string) []string {
	if len(said) == 0 {
		return nil
	}
	var out []string
	for _, e := range []sessionlog.Effect{
		sessionlog.EffectRead, sessionlog.EffectProbe, sessionlog.EffectShell, sessionlog.EffectChange,
	} {
		if slices.Contains(said, string(e)) {
			out = append(out, string(e))
		}
	}
	if out == nil {
		return []string{console.NoEffect}
	}
	return out
}

// A link is an agent's connection as the relay sees it.
type link struct{ conn *quic.Conn }

// Done implements relay.Link.
func (l *link) Done() <-chan struct{} { return l.conn.Context().Done() }

// Close implements relay.Link.
func (l *link) Close(why string) { _ = l.conn.CloseWithError(wire.CodeReplaced, why) }

// Open implements relay.Link: a stream for each step.
func (l *link) Open(ctx context.Context, call relay.Call) (relay.Conversation, error) {
	stream, err := l.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	c := &conversation{stream: stream, r: wire.NewReader(stream)}
	// If this fails the agent may have heard it all the same: Recv will tell.
	_ = c.send(opening(call))
	return c, nil
}

func opening(call relay.Call) *wire.ToStep {
	if !call.Resume {
		return &wire.ToStep{Message: &wire.ToStep_Start{Start: &wire.Start{
			Step: string(call.Step), Command: call.Command, Timeout: int64(call.Timeout),
			Session: string(call.Session), Technician: call.Technician, OutputLimit: call.OutputLimit,
			Effect: string(call.Effect), Digest: call.Digest[:],
		}}}
	}
	resume := &wire.Resume{Step: string(call.Step)}
	for stream, offset := range call.Acked {
		resume.Acked = append(resume.Acked, &wire.Ack{Stream: wire.Stream(stream), Offset: offset})
	}
	return &wire.ToStep{Message: &wire.ToStep_Resume{Resume: resume}}
}
