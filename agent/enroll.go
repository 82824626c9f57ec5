package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/caisey/caisey/relay/wire"
)

// Enroll makes this machine an endpoint of the relay that the token names, and
// writes down what Run needs. The key is made here and stays here.
func Enroll(ctx context.Context, token string, cfg Config) (Enrolment, error) {
	t, err := wire.ParseToken(token)
	if err != nil {
		return Enrolment{}, err
	}
	d, err := openData(cfg.Data)
	if err != nil {
		return Enrolment{}, err
	}
	defer d.close()
	if have, err := d.enrolment(); err == nil {
		return Enrolment{}, fmt.Errorf("this machine is enrolled already, as %q at %s (%s)",
			have.Name, have.Addr, d.file("agent.json"))
	} else if !errors.Is(err, ErrNotEnrolled) {
		return Enrolment{}, err
	}
	identity, err := wire.LoadIdentity(d.file("agent.key"))
	if err != nil {
		return Enrolment{}, err
	}
	if cfg.Name == "" {
		cfg.Name, _ = os.Hostname()
	}
	dialer := &dialer{cfg: cfg, identity: identity, key: t.RelayKey, addr: t.Addr}
	defer dialer.close()
	e, err := redeem(ctx, dialer, t, cfg)
	if err != nil {
		return Enrolment{}, explainEnroll(t.Addr, cfg.Name, err)
	}
	return e, d.writeEnrolment(e)
}

// redeem exchanges the token for an enrolment.
func redeem(ctx context.Context, d *dialer, t wire.Token, cfg Config) (Enrolment, error) {
	conn, err := d.dial(ctx, wire.ProtoEnroll)
	if err != nil {
		return Enrolment{}, err
	}
	defer func() { _ = conn.CloseWithError(wire.CodeBye, "enrolled") }()
	_, answer, err := greet(ctx, conn, &wire.FromAgent{Message: &wire.FromAgent_Enroll{Enroll: &wire.Enroll{
		Secret: t.Secret[:], Name: cfg.Name, Machine: cfg.machine(),
	}}})
	if err != nil {
		return Enrolment{}, err
	}
	in := answer.GetEnrolled()
	if in == nil {
		return Enrolment{}, errors.New("the relay answered something else")
	}
	return Enrolment{
		Endpoint: in.GetEndpoint(), Client: in.GetClient(), Name: in.GetName(),
		RelayKey: t.RelayKey, Addr: t.Addr,
	}, nil
}

// loadIdentity reads the key of an enrolled agent.
func loadIdentity(d *dataDir) (*wire.Identity, error) {
	file := d.file("agent.key")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read key: %s is gone; enrol this machine again", file)
	}
	return wire.LoadIdentity(file)
}
