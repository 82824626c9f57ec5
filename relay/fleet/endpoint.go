package fleet

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"maps"
	"regexp"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// The kinds of events about endpoints that are enrolled. Beside each stands the
// type of its body.
const (
	EndpointLabelled sessionlog.Kind = "endpoint.labelled" // Labelled
	EndpointRenamed  sessionlog.Kind = "endpoint.renamed"  // Placed
	EndpointMoved    sessionlog.Kind = "endpoint.moved"    // Placed
	EndpointRevoked  sessionlog.Kind = "endpoint.revoked"  // Revoked
)

// Labelled is the body of EndpointLabelled: the labels that are set from now on,
// and the keys of those that are no longer there.
type Labelled struct {
	Endpoint sessionlog.EndpointID `json:"endpoint"`
	Client   string                `json:"client"`
	Set      map[string]string     `json:"set,omitempty"`
	Remove   []string              `json:"remove,omitempty"`
}

// Placed is the body of EndpointRenamed and EndpointMoved: whose the endpoint is,
// and what it is called, from now on.
type Placed struct {
	Endpoint sessionlog.EndpointID `json:"endpoint"`
	Client   string                `json:"client"`
	Name     string                `json:"name"`
	// Was is the client/name of before.
	Was string `json:"was"`
}

// Revoked is the body of EndpointRevoked.
type Revoked struct {
	Endpoint sessionlog.EndpointID `json:"endpoint"`
	Client   string                `json:"client"`
	Name     string                `json:"name"`
	Why      string                `json:"why,omitempty"`
}

// An Endpoint is an enrolled machine.
type Endpoint struct {
	ID       sessionlog.EndpointID
	Client   string
	Name     string
	Key      ed25519.PublicKey
	Labels   map[string]string // replaced, never changed in place
	Enrolled time.Time
	Token    string // by which it was enrolled
	// Machine is what it said of itself when it enrolled.
	Machine Machine
	// Quarantined says that its key has a second holder: nobody is connected by it.
	Quarantined bool
}

// Path returns "client/name".
func (e Endpoint) Path() string { return e.Client + "/" + e.Name }

var labelPattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,62}$`)

const (
	maxLabels     = 64
	maxLabelValue = 256
)

// Label sets and removes labels of an endpoint. by is who asked.
func (c *Catalogue) Label(ctx context.Context, by sessionlog.Actor, in console.LabelEndpoint) error {
	for key, value := range in.Set {
		if !labelPattern.MatchString(key) || len(value) > maxLabelValue {
			return console.Errorf(console.CodeUsage, "write KEY=VALUE, of letters, digits and ._/-", "%.80q cannot be a label", key+"="+value)
		}
	}
	return c.changeEndpoint(ctx, in.Endpoint, func(e Endpoint) (sessionlog.Event, error) {
		b := Labelled{Endpoint: e.ID, Client: e.Client, Set: in.Set, Remove: in.Remove}
		if len(b.apply(e.Labels)) > maxLabels {
			return sessionlog.Event{}, console.Errorf(console.CodeUsage, "remove some with KEY-", "an endpoint has at most %d labels", maxLabels)
		}
		return sessionlog.New(EndpointLabelled, by, "", b), nil
	})
}

// apply returns labels as b makes them.
func (b Labelled) apply(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, b.Set)
	for _, key := range b.Remove {
		delete(out, key)
	}
	return out
}

// Rename gives an endpoint another name. by is who asked.
func (c *Catalogue) Rename(ctx context.Context, by sessionlog.Actor, in console.RenameEndpoint) error {
	return c.place(ctx, by, EndpointRenamed, in.Endpoint, func(b *Placed) { b.Name = in.Name })
}

// Move gives an endpoint to another client. by is who asked.
func (c *Catalogue) Move(ctx context.Context, by sessionlog.Actor, in console.MoveEndpoint) error {
	return c.place(ctx, by, EndpointMoved, in.Endpoint, func(b *Placed) { b.Client = in.Client })
}

func (c *Catalogue) place(ctx context.Context, by sessionlog.Actor, kind sessionlog.Kind, id sessionlog.EndpointID, change func(*Placed)) error {
	return c.changeEndpoint(ctx, id, func(e Endpoint) (sessionlog.Event, error) {
		b := Placed{Endpoint: e.ID, Client: e.Client, Name: e.Name, Was: e.Path()}
		change(&b)
		if err := checkClient(b.Client); err != nil {
			return sessionlog.Event{}, err
		}
		if err := CheckName("an endpoint", b.Name); err != nil {
			return sessionlog.Event{}, err
		}
		if c.taken(b.Client, b.Name) {
			return sessionlog.Event{}, console.Errorf(console.CodeUsage, "choose another name", "there is an endpoint %s/%s already", b.Client, b.Name)
		}
		return sessionlog.New(kind, by, "", b), nil
	})
}

// taken reports whether a client has an endpoint of that name.
func (c *Catalogue) taken(client, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.endpoints {
		if e.Client == client && e.Name == name {
			return true
		}
	}
	return false
}

// Revoke puts an endpoint out of the fleet: its key is no longer one of ours. by
// is who asked.
func (c *Catalogue) Revoke(ctx context.Context, by sessionlog.Actor, in console.RevokeEndpoint) error {
	return c.changeEndpoint(ctx, in.Endpoint, func(e Endpoint) (sessionlog.Event, error) {
		return sessionlog.New(EndpointRevoked, by, "", Revoked{Endpoint: e.ID, Client: e.Client, Name: e.Name, Why: in.Why}), nil
	})
}

// changeEndpoint lets decide choose an event about an endpoint that is there.
func (c *Catalogue) changeEndpoint(ctx context.Context, id sessionlog.EndpointID, decide func(Endpoint) (sessionlog.Event, error)) error {
	_, err := c.change(ctx, func() (sessionlog.Event, error) {
		e, ok := c.Endpoint(id)
		if !ok {
			return sessionlog.Event{}, console.Errorf(console.CodeNotFound, "see `ls` for what there is", "there is no endpoint %.80q", id)
		}
		return decide(e)
	})
	return err
}

// applyEndpoint folds an event about an endpoint that is there.
func (c *Catalogue) applyEndpoint(ev sessionlog.Event) error {
	var which struct {
		Endpoint sessionlog.EndpointID `json:"endpoint"`
	}
	if err := ev.Decode(&which); err != nil {
		return err
	}
	e := c.endpoints[which.Endpoint]
	if e == nil {
		return nil
	}
	switch ev.Kind {
	case EndpointLabelled:
		var b Labelled
		if err := ev.Decode(&b); err != nil {
			return err
		}
		e.Labels = b.apply(e.Labels)
	case EndpointRenamed, EndpointMoved:
		var b Placed
		if err := ev.Decode(&b); err != nil {
			return err
		}
		e.Client, e.Name = b.Client, b.Name
	case EndpointCloned, EndpointCleared:
		e.Quarantined = ev.Kind == EndpointCloned
	case EndpointRevoked:
		delete(c.endpoints, e.ID)
		key := hex.EncodeToString(e.Key)
		delete(c.byKey, key)
		c.retired[key] = true
	}
	return nil
}
