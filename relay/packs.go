package relay

import (
	"context"
	"slices"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/pack"
	"github.com/caisey/caisey/sessionlog/check"
)

// Packs implements console.Backend. A pack for every client is for whoever has a role
// anywhere.
func (b *backend) Packs(context.Context) ([]console.Pack, error) {
	return slices.DeleteFunc(b.relay.fleet.Packs(), func(p console.Pack) bool {
		return p.Client == "" && !b.isAnyone() || p.Client != "" && !b.may(console.RoleViewer, p.Client)
	}), nil
}

// isAnyone reports whether the person has a role anywhere.
func (b *backend) isAnyone() bool {
	t, ok := b.relay.fleet.Technician(b.self.Name)
	return ok && !t.Disabled && len(t.Grants) > 0
}

// savePack saves a pack for a lead of its client; one for every client is for admins of
// all.
func (b *backend) savePack(ctx context.Context, in console.SavePack) (console.Receipt, error) {
	switch {
	case in.Client == "" && !b.administers(nil):
		return console.Receipt{}, b.noAdmin("everywhere")
	case in.Client != "" && !b.may(console.RoleLead, in.Client): // of a client that is not there, too
		return console.Receipt{}, console.Errorf(console.CodeRefused, "ask a lead", "%s is not a lead for %.80q", b.self.Name, in.Client)
	}
	if err := pack.ErrName(in.Name); err != nil {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "", "%v", err)
	}
	if _, err := pack.Parse(in.Text); err != nil {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "nothing was changed", "pack %s: %v", in.Name, err)
	}
	seq, err := b.relay.fleet.SavePack(ctx, b.actor(), fleet.Saved{Name: in.Name, Client: in.Client, Text: in.Text})
	return console.Receipt{ID: in.Name, Seq: seq}, err
}

// thresholds returns args with those that the client's pack of thresholds has, and then
// with those for every client.
func (r *Relay) thresholds(client string, s check.Spec, args map[string]string) map[string]string {
	for _, c := range []string{client, ""} {
		if p, ok := r.fleet.Pack(c, pack.Thresholds); ok {
			args = pack.Fill(p.Text, s, args)
		}
	}
	return args
}
