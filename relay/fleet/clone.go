package fleet

import (
	"context"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// The kinds of events about a copied key of an agent. Beside each stands the type
// of its body.
const (
	EndpointCloned  sessionlog.Kind = "endpoint.cloned"  // Cloned
	EndpointCleared sessionlog.Kind = "endpoint.cleared" // Cloned, without from
)

// Cloned is the body of EndpointCloned: a second holder of the agent's key was
// noticed, and nobody is connected by it from now on. It is that of EndpointCleared,
// too: whoever comes first is.
type Cloned struct {
	Endpoint sessionlog.EndpointID `json:"endpoint"`
	Client   string                `json:"client"`
	Name     string                `json:"name"`
	From     string                `json:"from,omitempty"` // address of the connection that betrayed it
}

// Quarantine records that an agent's key has a second holder, who came from there.
// Of an endpoint that is quarantined already nothing is recorded.
func (c *Catalogue) Quarantine(ctx context.Context, id sessionlog.EndpointID, from string) error {
	if e, ok := c.Endpoint(id); ok && e.Quarantined {
		return nil
	}
	return c.changeEndpoint(ctx, id, func(e Endpoint) (sessionlog.Event, error) {
		return sessionlog.New(EndpointCloned, sessionlog.Relay, "", Cloned{Endpoint: e.ID, Client: e.Client, Name: e.Name, From: from}), nil
	})
}

// Clear takes Quarantine back. by is who asked.
func (c *Catalogue) Clear(ctx context.Context, by sessionlog.Actor, in console.ClearEndpoint) error {
	return c.changeEndpoint(ctx, in.Endpoint, func(e Endpoint) (sessionlog.Event, error) {
		if !e.Quarantined {
			return sessionlog.Event{}, console.Errorf(console.CodeUsage, "", "%s is not quarantined", e.Path())
		}
		return sessionlog.New(EndpointCleared, by, "", Cloned{Endpoint: e.ID, Client: e.Client, Name: e.Name}), nil
	})
}
