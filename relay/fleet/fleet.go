// Package fleet is the catalogue: clients, endpoints, technicians and tokens.
//
// Its history is a log like any session's: every change is an event that is on
// disk before it holds, and what holds now is the fold of those events.
package fleet

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// Config says how a Catalogue behaves. The zero value is good.
type Config struct {
	// Clock tells the time by which tokens expire. If nil, time.Now.
	Clock func() time.Time
}

// A Catalogue is the fleet as it is now. Its methods may be called concurrently.
type Catalogue struct {
	// Static after Open.
	log   sessionlog.Log
	clock func() time.Time
	// turn holds one value: whoever takes it may decide on a change, append it
	// and apply it; nobody else can then.
	turn chan struct{}

	mu          sync.Mutex // guards what follows
	endpoints   map[sessionlog.EndpointID]*Endpoint
	byKey       map[string]*Endpoint // by hex of the agent's key
	technicians map[string]*Technician
	byPrint     map[string]*Technician // by fingerprint of the SSH key
	tokens      map[string]*token      // by hex of the hash
	changed     chan struct{}          // closed and replaced at every change
}

// An Endpoint is an enrolled machine.
type Endpoint struct {
	ID       sessionlog.EndpointID
	Client   string
	Name     string
	Key      ed25519.PublicKey
	Labels   map[string]string
	Enrolled time.Time
	Token    string // by which it was enrolled
	// Machine is what it said of itself when it enrolled.
	Machine Machine
}

// Path returns "client/name".
func (e Endpoint) Path() string { return e.Client + "/" + e.Name }

// Machine is what an agent says about where it runs.
type Machine struct {
	Host    string `json:"host,omitempty"`
	OS      string `json:"os,omitempty"`
	Arch    string `json:"arch,omitempty"`
	Version string `json:"version,omitempty"`
}

// A Technician is a person who may log in.
type Technician struct {
	Name    string
	Role    console.Role
	Clients []string // where Role holds; empty means everywhere
	Keys    []string // lines as in authorized_keys
}

// RoleFor returns what the technician is for client; "" means nothing.
func (t Technician) RoleFor(client string) console.Role {
	if len(t.Clients) == 0 || slices.Contains(t.Clients, client) {
		return t.Role
	}
	return ""
}

// Open folds log and returns the fleet that it tells of. The Catalogue is the
// only one that appends to log from now on.
func Open(ctx context.Context, log sessionlog.Log, cfg Config) (*Catalogue, error) {
	c := &Catalogue{
		log:         log,
		clock:       cfg.Clock,
		turn:        make(chan struct{}, 1),
		endpoints:   map[sessionlog.EndpointID]*Endpoint{},
		byKey:       map[string]*Endpoint{},
		technicians: map[string]*Technician{},
		byPrint:     map[string]*Technician{},
		tokens:      map[string]*token{},
		changed:     make(chan struct{}),
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	for from := sessionlog.Seq(1); ; {
		evs, err := log.Read(ctx, from, 1024)
		if err != nil {
			return nil, fmt.Errorf("read fleet log: %w", err)
		}
		if len(evs) == 0 {
			return c, nil
		}
		for _, ev := range evs {
			if err := c.apply(ev); err != nil {
				return nil, fmt.Errorf("read fleet log: %w", err)
			}
		}
		from = evs[len(evs)-1].Seq + 1
	}
}

// Endpoints returns all endpoints, by client and name.
func (c *Catalogue) Endpoints() []Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	eps := make([]Endpoint, 0, len(c.endpoints))
	for _, e := range c.endpoints {
		eps = append(eps, *e)
	}
	slices.SortFunc(eps, func(a, b Endpoint) int { return strings.Compare(a.Path(), b.Path()) })
	return eps
}

// Endpoint returns the endpoint of that ID.
func (c *Catalogue) Endpoint(id sessionlog.EndpointID) (Endpoint, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return deref(c.endpoints[id])
}

// EndpointByKey returns the endpoint whose agent has that key.
func (c *Catalogue) EndpointByKey(key ed25519.PublicKey) (Endpoint, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return deref(c.byKey[hex.EncodeToString(key)])
}

// Technician returns the technician of that name.
func (c *Catalogue) Technician(name string) (Technician, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return deref(c.technicians[name])
}

// TechnicianByKey returns the technician who has the SSH key of that
// fingerprint, "SHA256:…".
func (c *Catalogue) TechnicianByKey(fingerprint string) (Technician, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return deref(c.byPrint[fingerprint])
}

// Technicians returns all technicians by name.
func (c *Catalogue) Technicians() []Technician {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Technician, 0, len(c.technicians))
	for _, name := range slices.Sorted(maps.Keys(c.technicians)) {
		out = append(out, *c.technicians[name])
	}
	return out
}

// Changed returns a channel that is closed at the next change.
func (c *Catalogue) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func deref[T any](p *T) (T, bool) {
	if p == nil {
		var zero T
		return zero, false
	}
	return *p, true
}

// change lets decide choose an event while nobody else changes anything, makes
// it durable, and applies it.
func (c *Catalogue) change(ctx context.Context, decide func() (sessionlog.Event, error)) (sessionlog.Seq, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	ev, err := decide()
	if err != nil {
		return 0, err
	}
	// The change must be applied if it became durable, so it outlives its asker.
	head, err := sessionlog.Append(context.WithoutCancel(ctx), c.log, ev)
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", ev.Kind, err)
	}
	ev.Seq = head.Seq
	if ev.Time.IsZero() {
		ev.Time = c.clock()
	}
	return head.Seq, c.apply(ev)
}

func (c *Catalogue) apply(ev sessionlog.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	switch ev.Kind {
	case RecordViewed:
		return nil // changes nothing
	case TokenCreated:
		err = c.applyToken(ev)
	case EndpointEnrolled:
		err = c.applyEnrolled(ev)
	case TechnicianAdded:
		err = c.applyTechnician(ev)
	}
	close(c.changed)
	c.changed = make(chan struct{})
	return err
}

// clientPattern is narrower than namePattern: a client's name is also that of a
// directory of records.
var clientPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// checkClient reports why s cannot be the name of a client.
func checkClient(s string) error {
	if clientPattern.MatchString(s) {
		return nil
	}
	return console.Errorf(console.CodeUsage, "use a-z, 0-9 and dashes, at most 63 in all", "%q cannot be the name of a client", s)
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckName reports why s cannot be the name of an endpoint or a technician. what names which of them, for the message.
func CheckName(what, s string) error {
	if namePattern.MatchString(s) && !strings.HasSuffix(s, ".") {
		return nil
	}
	return console.Errorf(console.CodeUsage, "use a-z, 0-9, dots, dashes and underscores, at most 63 in all",
		"%q cannot be the name of %s", s, what)
}
