package quicrelay

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/penalty"
	"github.com/caisey/caisey/relay/wire"
)

// maxText is the most bytes kept of a string that an agent says of itself.
const maxText = 256

// enroll redeems a token for whoever has key.
func (s *Server) enroll(conn *quic.Conn, key ed25519.PublicKey) error {
	from := penalty.Network(conn.RemoteAddr())
	var first wire.FromAgent
	stream, _, err := control(conn, &first)
	if err != nil {
		return err
	}
	ask := first.GetEnroll()
	if ask == nil {
		return refuse(stream, wire.Refused_CODE_UNSUPPORTED, "enroll first")
	}
	placeOf(conn).hear()
	if wait := s.box.Wait(from); wait > 0 {
		s.gate.failed(originOf(conn.RemoteAddr())) // whoever goes on is not even told
		return refuse(stream, wire.Refused_CODE_BUSY, fmt.Sprintf(
			"too many tokens from this address were not good; try again in %v", wait.Round(time.Second)+time.Second))
	}
	ep, err := s.cfg.Fleet.Redeem(context.WithoutCancel(s.ctx), fleet.Redemption{
		Hash: wire.HashSecret(ask.GetSecret()), Key: key, Name: ask.GetName(),
		Machine: machine(ask.GetMachine()), From: conn.RemoteAddr().String(),
	})
	var badToken *fleet.TokenError
	var badName *fleet.NameError
	switch {
	case errors.As(err, &badToken):
		s.box.Failed(from)
		return refuse(stream, wire.Refused_CODE_TOKEN, badToken.Why)
	case errors.As(err, &badName):
		return refuse(stream, wire.Refused_CODE_NAME, badName.Why)
	case err != nil:
		s.cfg.Log.Error("enrol endpoint", "err", err)
		return refuse(stream, wire.Refused_CODE_BUSY, "the relay could not record it")
	}
	s.box.Proved(from)
	s.saw(ep.ID, conn)
	s.cfg.Log.Info("endpoint enrolled", "endpoint", ep.Path())
	return answer(stream, &wire.ToAgent{Message: &wire.ToAgent_Enrolled{Enrolled: &wire.Enrolled{
		Endpoint: string(ep.ID), Client: ep.Client, Name: ep.Name,
	}}})
}

// refuse says no, and returns that as the connection's end.
func refuse(stream *quic.Stream, code wire.Refused_Code, why string) error {
	err := answer(stream, refusal(code, why))
	return errors.Join(&protocolError{wire.CodeDenied, errors.New(why)}, err)
}

// lastWord is how long the other side has to read an answer and close.
const lastWord = 2 * time.Second

// answer writes the last message of a connection and waits until the other side
// has it: closing a connection at once would discard it.
func answer(stream *quic.Stream, m *wire.ToAgent) error {
	if err := wire.Write(stream, m); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if err := stream.Close(); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	_ = stream.SetReadDeadline(time.Now().Add(lastWord))
	_, _ = io.Copy(io.Discard, io.LimitReader(stream, maxText)) // until it closes, or time is up
	return nil
}

func machine(m *wire.Machine) fleet.Machine {
	return fleet.Machine{
		Host: clip(m.GetHost()), OS: clip(m.GetOs()), Arch: clip(m.GetArch()), Version: clip(m.GetVersion()),
	}
}

// clip bounds a string from outside.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "�")
}
