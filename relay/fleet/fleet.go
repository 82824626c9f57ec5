// Package fleet is the catalogue: clients, endpoints, technicians, tokens and
// incidents.
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
	takenKeys   map[string]bool          // fingerprints of keys that were taken from somebody
	byPrint     map[string]*Technician   // by fingerprint of the SSH key
	gone        map[string]chan struct{} // by fingerprint of a key, or person: closed when it lets nobody in
	tokens      map[string]*token        // by hex of the hash
	retired     map[string]bool          // keys of agents that were revoked, in hex
	removed     map[sessionlog.SessionID]bool
	incidents   map[sessionlog.IncidentID]*incident
	working     map[workplace]sessionlog.IncidentID // joined last; it may be closed
	onCall      map[workplace]time.Time             // until when; it may be over
	policy      console.Policy
	packs       map[shelf]console.Pack
	rights      uint64        // grows whenever it changes who may do what
	changed     chan struct{} // closed and replaced at every change
}

// Machine is what an agent says about where it runs.
type Machine struct {
	Host    string `json:"host,omitempty"`
	OS      string `json:"os,omitempty"`
	Arch    string `json:"arch,omitempty"`
	Version string `json:"version,omitempty"`
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
		takenKeys:   map[string]bool{},
		byPrint:     map[string]*Technician{},
		gone:        map[string]chan struct{}{},
		tokens:      map[string]*token{},
		retired:     map[string]bool{},
		removed:     map[sessionlog.SessionID]bool{},
		incidents:   map[sessionlog.IncidentID]*incident{},
		working:     map[workplace]sessionlog.IncidentID{},
		onCall:      map[workplace]time.Time{},
		packs:       map[shelf]console.Pack{},
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

// Log returns the log of which the Catalogue is the fold.
func (c *Catalogue) Log() sessionlog.Reader { return c.log }

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
	return c.technicians[name].copy()
}

// RoleFor returns what the technician of that name is for client; "" means nothing,
// and there may be nobody of that name.
func (c *Catalogue) RoleFor(name, client string) console.Role {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.technicians[name]; t != nil {
		return t.RoleFor(client)
	}
	return ""
}

// TechnicianByKey returns the technician who has the SSH key of that
// fingerprint, "SHA256:…".
func (c *Catalogue) TechnicianByKey(fingerprint string) (Technician, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byPrint[fingerprint].copy()
}

// Technicians returns all technicians by name.
func (c *Catalogue) Technicians() []Technician {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Technician, 0, len(c.technicians))
	for _, name := range slices.Sorted(maps.Keys(c.technicians)) {
		out = append(out, c.technicians[name].clone())
	}
	return out
}

// Rights returns a number that grows whenever it changes who may do what.
func (c *Catalogue) Rights() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rights
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
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	ev, err := decide()
	if err != nil {
		<-c.turn
		return 0, err
	}
	commit, err := c.log.Submit(ctx, ev)
	if err != nil {
		<-c.turn
		return 0, fmt.Errorf("record %s: %w", ev.Kind, err)
	}
	// The change must be applied if it becomes durable, so it outlives its asker.
	done := make(chan error, 1)
	go func() {
		defer func() { <-c.turn }()
		done <- c.settle(commit, &ev)
	}()
	select {
	case err := <-done:
		return ev.Seq, err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// settle applies an event once it is durable.
func (c *Catalogue) settle(commit *sessionlog.Commit, ev *sessionlog.Event) error {
	head, err := commit.Wait(context.Background()) // a log that is closed resolves it
	if err != nil {
		return fmt.Errorf("record %s: %w", ev.Kind, err)
	}
	ev.Seq = head.Seq
	if ev.Time.IsZero() {
		ev.Time = c.clock()
	}
	return c.apply(*ev)
}

func (c *Catalogue) apply(ev sessionlog.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	switch ev.Kind {
	case RecordViewed:
		return nil // changes nothing
	case RecordRemoved:
		return c.applyRemoved(ev)
	case TokenCreated:
		err = c.applyToken(ev)
	case EndpointEnrolled:
		err = c.applyEnrolled(ev)
	case TokenRevoked:
		err = c.applyTokenRevoked(ev)
	case EndpointLabelled, EndpointRenamed, EndpointMoved, EndpointRevoked, EndpointCloned, EndpointCleared:
		err = c.applyEndpoint(ev)
	case ApprovalAnswered:
		return nil // changes nothing
	case IncidentOpened, IncidentJoined, IncidentClosed:
		err = c.applyIncident(ev)
	case OnCallSet, OnCallEnded:
		c.rights++
		err = c.applyOnCall(ev)
	case PackSaved:
		err = c.applyPack(ev)
	case PolicyApplied:
		c.rights++
		err = c.applyPolicy(ev)
	case TechnicianAdded:
		c.rights++
		err = c.applyTechnician(ev)
	case TechnicianGranted, TechnicianDisabled, TechnicianEnabled, KeyAdded, KeyRemoved:
		c.rights++
		err = c.applyPerson(ev)
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
