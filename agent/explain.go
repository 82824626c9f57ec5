package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/wire"
)

// A refusal is a Refused from the relay.
type refusal struct {
	code wire.Refused_Code
	why  string
}

func (r *refusal) Error() string { return "refused: " + r.why }

// denied says whether the relay does not want this agent: there is no use in
// asking again soon.
func denied(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.code == wire.Refused_CODE_DENIED
	}
	var t *quic.TransportError
	return errors.As(err, &t) && t.Remote && t.ErrorCode.IsCryptoError() || errors.Is(err, wire.ErrWrongRelay)
}

// replaced says whether the relay ended the connection because another agent came
// with the same key. It is not this process: that has one connection at a time.
func replaced(err error) bool {
	var a *quic.ApplicationError
	return errors.As(err, &a) && a.Remote && a.ErrorCode == wire.CodeReplaced
}

const alertNoProtocol = 0x100 + 120

// explainEnroll makes one clear line of why enrolment failed.
func explainEnroll(addr, name string, err error) error {
	var r *refusal
	var t *quic.TransportError
	switch {
	case errors.Is(err, wire.ErrWrongRelay):
		return fmt.Errorf("the relay at %s has another key than the token says; get a new token from your relay", addr)
	case errors.As(err, &r) && r.code == wire.Refused_CODE_TOKEN:
		return fmt.Errorf("the relay at %s does not take this token: %s; get a new one from your relay", addr, r.why)
	case errors.As(err, &r) && r.code == wire.Refused_CODE_NAME:
		return fmt.Errorf("the name %q can not be had: %s; choose another with --name", name, r.why)
	case errors.As(err, &r):
		return fmt.Errorf("the relay at %s refused: %s", addr, r.why)
	case errors.As(err, &t) && t.ErrorCode == alertNoProtocol:
		return fmt.Errorf("the relay at %s speaks another version of the protocol, or is none", addr)
	case errors.As(err, &t) && t.Remote && t.ErrorCode.IsCryptoError():
		return fmt.Errorf("the relay at %s does not take this machine's key: %w", addr, err)
	case unreachable(err):
		return fmt.Errorf("the relay at %s does not answer (over UDP): %w", addr, err)
	}
	return fmt.Errorf("enrol at %s: %w", addr, err)
}

func unreachable(err error) bool {
	var handshake *quic.HandshakeTimeoutError
	var idle *quic.IdleTimeoutError
	return errors.As(err, &handshake) || errors.As(err, &idle) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errNoAnswer)
}

// errNoAnswer says that the relay did not answer the first message in time.
var errNoAnswer = errors.New("no answer")
