package relay

import (
	"context"
	"maps"
	"slices"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
)

// administer does what changes the fleet. It is an admin's to ask for, and gives
// nobody more than the asker has.
func (b *backend) administer(ctx context.Context, in console.Intent) (console.Receipt, error) {
	catalogue, by := b.relay.fleet, b.actor()
	switch in := in.(type) {
	case console.NewToken:
		return b.newToken(ctx, in)
	case console.ApplyPolicy:
		return b.applyPolicy(ctx, in)
	case console.RevokeToken:
		return b.overToken(in.ID, func() error { return catalogue.RevokeToken(ctx, by, in.ID) })
	case console.AddTechnician:
		return b.over(in.Name, in.Clients, func() error { return catalogue.AddTechnician(ctx, by, in) })
	case console.GrantRole:
		return b.over(in.Name, in.Clients, func() error { return catalogue.Grant(ctx, by, in) })
	case console.AddKey:
		var print string
		_, err := b.overPerson(in.Name, func() (err error) {
			print, err = catalogue.AddKey(ctx, by, in)
			return err
		})
		return console.Receipt{ID: print}, err
	case console.RemoveKey:
		return b.overPerson(in.Name, func() error { return catalogue.RemoveKey(ctx, by, in) })
	case console.DisableTechnician:
		return b.overPerson(in.Name, func() error { return catalogue.Disable(ctx, by, in) })
	case console.EnableTechnician:
		return b.overPerson(in.Name, func() error { return catalogue.Enable(ctx, by, in) })
	case console.SetOnCall:
		return b.setOnCall(ctx, in)
	case console.LabelEndpoint:
		return b.overEndpoint(in.Endpoint, func() error { return catalogue.Label(ctx, by, in) })
	case console.RenameEndpoint:
		return b.overEndpoint(in.Endpoint, func() error { return catalogue.Rename(ctx, by, in) })
	case console.MoveEndpoint:
		return b.overEndpoint(in.Endpoint, func() error {
			if !b.may(console.RoleAdmin, in.Client) {
				return b.noAdmin("of " + in.Client)
			}
			return catalogue.Move(ctx, by, in)
		})
	case console.ClearEndpoint:
		return b.overEndpoint(in.Endpoint, func() error { return catalogue.Clear(ctx, by, in) })
	case console.RevokeEndpoint:
		return b.overEndpoint(in.Endpoint, func() error { return catalogue.Revoke(ctx, by, in) })
	}
	return console.Receipt{}, console.Errorf(console.CodeUsage, "", "this relay does not know what a %T is", in)
}

func (b *backend) newToken(ctx context.Context, in console.NewToken) (console.Receipt, error) {
	if !b.may(console.RoleAdmin, in.Client) {
		return console.Receipt{}, console.Errorf(console.CodeRefused, "ask an admin", "%s may not enrol endpoints of %q", b.self.Name, in.Client)
	}
	text, hash := b.relay.cfg.Mint()
	id, err := b.relay.fleet.NewToken(ctx, b.actor(), hash, in)
	if err != nil {
		return console.Receipt{}, err
	}
	return console.Receipt{ID: id, Token: text}, nil
}

// setOnCall puts a lead of a client on call.
func (b *backend) setOnCall(ctx context.Context, in console.SetOnCall) (console.Receipt, error) {
	if !b.may(console.RoleAdmin, in.Client) {
		return console.Receipt{}, b.noAdmin("there")
	}
	_, err := b.relay.fleet.SetOnCall(ctx, b.actor(), in)
	return console.Receipt{ID: in.Name}, err
}

// over does something about a person that reaches no further than clients, or
// everywhere if there are none.
func (b *backend) over(name string, clients []string, do func() error) (console.Receipt, error) {
	if !b.administers(clients) {
		return console.Receipt{}, b.noAdmin("there")
	}
	return console.Receipt{ID: name}, do()
}

// overPerson does something that reaches as far as the person does.
func (b *backend) overPerson(name string, do func() error) (console.Receipt, error) {
	t, ok := b.relay.fleet.Technician(name)
	if !ok || !b.knows(t) {
		return console.Receipt{}, console.Errorf(console.CodeNotFound, "see `tech ls` for who is", "there is no technician %.80q", name)
	}
	clients := slices.Collect(maps.Keys(t.Grants))
	if slices.Contains(clients, fleet.Everywhere) {
		clients = nil
	}
	if len(t.Grants) > 0 && !b.administers(clients) {
		return console.Receipt{}, b.noAdmin("wherever " + name + " works")
	}
	return console.Receipt{ID: name}, do()
}

// overEndpoint does something about an endpoint.
func (b *backend) overEndpoint(id sessionlog.EndpointID, do func() error) (console.Receipt, error) {
	ep, ok := b.relay.fleet.Endpoint(id)
	missing := console.Errorf(console.CodeNotFound, "see `ls` for what there is", "there is no endpoint %.80q", id)
	if !ok {
		return console.Receipt{}, missing
	}
	if err := b.need(console.RoleAdmin, ep.Client, missing); err != nil {
		return console.Receipt{}, err
	}
	return console.Receipt{ID: string(id)}, do()
}

// overToken does something about an enrolment token.
func (b *backend) overToken(id string, do func() error) (console.Receipt, error) {
	t, ok := b.relay.fleet.Token(id)
	if !ok || !b.may(console.RoleAdmin, t.Client) {
		return console.Receipt{}, console.Errorf(console.CodeNotFound, "see `token ls`", "there is no token %.80q that can be used", id)
	}
	return console.Receipt{ID: id}, do()
}

// administers reports whether the person is an admin of all these clients; of
// every client if there are none.
func (b *backend) administers(clients []string) bool {
	if len(clients) == 0 {
		return b.may(console.RoleAdmin, fleet.Everywhere)
	}
	return !slices.ContainsFunc(clients, func(client string) bool { return !b.may(console.RoleAdmin, client) })
}

// knows reports whether the person is an admin of something that t works for, or
// of everything.
func (b *backend) knows(t fleet.Technician) bool {
	if b.administers(nil) {
		return true
	}
	for client := range t.Grants {
		if client != fleet.Everywhere && b.may(console.RoleAdmin, client) {
			return true
		}
	}
	return false
}

// with returns m with one more entry, made if need be.
func with[V any](m map[string]V, key string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = v
	return m
}

func (b *backend) noAdmin(where string) *console.Error {
	return console.Errorf(console.CodeRefused, "ask one who is", "%s is not an admin %s", b.self.Name, where)
}

// Technicians implements console.Backend.
func (b *backend) Technicians(context.Context) ([]console.Technician, error) {
	var out []console.Technician
	for _, t := range b.relay.fleet.Technicians() {
		if !b.knows(t) {
			continue
		}
		person := console.Technician{Name: t.Name, Grants: map[string]console.Role{}, Disabled: t.Disabled, Why: t.Why}
		for client, role := range t.Grants {
			switch {
			case client == fleet.Everywhere:
				person.Grants["*"] = role
			case b.may(console.RoleAdmin, client): // others' clients are not there
				person.Grants[client] = role
			}
		}
		for client, until := range b.relay.fleet.OnCall(t.Name) {
			if b.may(console.RoleAdmin, client) {
				person.OnCall = with(person.OnCall, client, until)
			}
		}
		for _, key := range t.Keys {
			person.Keys = append(person.Keys, key.Print)
		}
		out = append(out, person)
	}
	return out, nil
}

// Tokens implements console.Backend.
func (b *backend) Tokens(context.Context) ([]console.Token, error) {
	return slices.DeleteFunc(b.relay.fleet.Tokens(), func(t console.Token) bool { return !b.may(console.RoleAdmin, t.Client) }), nil
}

// lookAtFleet opens the fleet's own log, which tells of every client. That somebody
// reads it stands in it first.
func (b *backend) lookAtFleet(ctx context.Context) (console.Reader, error) {
	if !b.administers(nil) {
		return nil, b.noAdmin("everywhere")
	}
	v := fleet.Viewed{Session: console.FleetLog, Key: b.self.Key}
	if err := b.relay.fleet.View(ctx, b.actor(), v); err != nil {
		return nil, b.relay.failure("record who looks at the fleet's log", err)
	}
	return b.relay.newReader(b.relay.fleet.Log(), func() bool { return b.administers(nil) }, func() {}), nil
}
