package relay

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// A Sum is the SHA-256 of a catalogue of checks as an agent tells it; zero means that
// the agent has none.
type Sum [sha256.Size]byte

// catalogues knows what endpoints can be asked. Agents of one build have the same
// catalogue, which is told and kept once.
type catalogues struct {
	mu    sync.Mutex // guards what follows
	of    map[sessionlog.EndpointID]Sum
	specs map[Sum][]check.Spec // by name
	told  chan struct{}        // closed and replaced when one is told
}

func newCatalogues() *catalogues {
	return &catalogues{of: map[sessionlog.EndpointID]Sum{}, specs: map[Sum][]check.Spec{}, told: make(chan struct{})}
}

const (
	// maxChecks is the most declarations of one catalogue.
	maxChecks = 512
	// maxCatalogues is how many there can be before those are forgotten that no
	// endpoint has any more.
	maxCatalogues = 64
	// tellWait is how long somebody who asks waits for an agent that has just come to
	// tell its catalogue.
	tellWait = 3 * time.Second
)

// Knows reports whether the catalogue of that sum was told. What is not there need
// not be.
func (r *Relay) Knows(sum Sum) bool {
	c := r.checks
	c.mu.Lock()
	defer c.mu.Unlock()
	return sum == Sum{} || c.specs[sum] != nil
}

// Catalogue takes what the agent of an endpoint can be asked. What is declared in a
// way that is not known here is left out. It returns an error if the text is not what
// the agent announced, or is malformed.
func (r *Relay) Catalogue(id sessionlog.EndpointID, text []byte) error {
	sum := Sum(sha256.Sum256(text))
	specs, err := parseCatalogue(text)
	if err != nil {
		return err
	}
	return r.checks.tell(id, sum, specs)
}

func parseCatalogue(text []byte) ([]check.Spec, error) {
	var specs []check.Spec
	if err := json.Unmarshal(text, &specs); err != nil || len(specs) == 0 || len(specs) > maxChecks {
		return nil, fmt.Errorf("catalogue is not 1 to %d checks", maxChecks)
	}
	specs = slices.DeleteFunc(specs, func(s check.Spec) bool { return s.Err() != nil })
	slices.SortFunc(specs, func(a, b check.Spec) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(specs); i++ {
		if specs[i-1].Name == specs[i].Name {
			return nil, fmt.Errorf("catalogue has check %s twice", specs[i].Name)
		}
	}
	return slices.Clip(specs), nil
}

// announce notes which catalogue an endpoint has.
func (c *catalogues) announce(id sessionlog.EndpointID, sum Sum) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[id] = sum
	c.wake()
}

func (c *catalogues) tell(id sessionlog.EndpointID, sum Sum, specs []check.Spec) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id] != sum {
		return errors.New("the catalogue is not the one that was announced")
	}
	if len(c.specs) >= maxCatalogues {
		used := map[Sum]bool{}
		for _, s := range c.of {
			used[s] = true
		}
		maps.DeleteFunc(c.specs, func(s Sum, _ []check.Spec) bool { return !used[s] })
	}
	c.specs[sum] = specs
	c.wake()
	return nil
}

// wake is called with the lock.
func (c *catalogues) wake() {
	close(c.told)
	c.told = make(chan struct{})
}

// get returns the checks of an endpoint, and whether they are known; told is closed
// when the answer may have changed.
func (c *catalogues) get(id sessionlog.EndpointID) (specs []check.Spec, known bool, told <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum, announced := c.of[id]
	if announced && sum == (Sum{}) {
		return nil, true, c.told
	}
	specs = c.specs[sum]
	return specs, specs != nil, c.told
}

// await is get for somebody who waits a moment.
func (c *catalogues) await(ctx context.Context, id sessionlog.EndpointID) ([]check.Spec, error) {
	ctx, cancel := context.WithTimeout(ctx, tellWait)
	defer cancel()
	for {
		specs, known, told := c.get(id)
		if known {
			return specs, nil
		}
		select {
		case <-told:
		case <-ctx.Done():
			return nil, console.Errorf(console.CodeOffline, "try again in a moment", "the endpoint has not told what it can be asked")
		}
	}
}

// Checks implements console.Backend.
func (b *backend) Checks(ctx context.Context, id sessionlog.EndpointID) ([]check.Spec, error) {
	if id == "" {
		return b.allChecks(), nil
	}
	ep, ok := b.relay.fleet.Endpoint(id)
	if !ok || !b.may(console.RoleViewer, ep.Client) {
		return nil, console.Errorf(console.CodeNotFound, "see `ls` for what there is", "there is no endpoint %q", id)
	}
	if link, _ := b.relay.agents.get(id); link == nil {
		if specs, known, _ := b.relay.checks.get(id); known {
			return specs, nil
		}
		return nil, console.Errorf(console.CodeOffline, "", "%s is offline, and has not told what it can be asked", ep.Path())
	}
	return b.relay.checks.await(ctx, id)
}

// allChecks returns the checks of all endpoints that the person may see, each once.
func (b *backend) allChecks() []check.Spec {
	byName := map[string]check.Spec{}
	for _, id := range b.relay.dir.ids() {
		ep, ok := b.relay.fleet.Endpoint(id)
		if !ok || !b.may(console.RoleViewer, ep.Client) {
			continue
		}
		specs, _, _ := b.relay.checks.get(id)
		for _, s := range specs {
			byName[s.Name] = s
		}
	}
	return slices.SortedFunc(maps.Values(byName), func(x, y check.Spec) int { return strings.Compare(x.Name, y.Name) })
}

// ask begins a step that asks a check.
func (b *backend) ask(ctx context.Context, in console.Ask) (console.Receipt, error) {
	if err := errStep(in.Step, in.Timeout); err != nil {
		return console.Receipt{}, err
	}
	live, err := b.working(in.Session)
	if err != nil {
		return console.Receipt{}, err
	}
	spec, err := b.spec(ctx, live.info.Endpoint, in.Check)
	if err != nil {
		return console.Receipt{}, err
	}
	if _, err := spec.Values(in.Args); err != nil {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "see `check "+spec.Name+" --help`", "%v", err)
	}
	limit := in.Timeout.Seconds()
	if limit == 0 {
		limit = spec.Timeout
	}
	args := b.relay.thresholds(live.info.Client, spec, in.Args)
	line := check.Ask{Name: spec.Name, Args: args}.Line()
	if len(line) > maxCommand {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "", "the arguments are longer than %d bytes", maxCommand)
	}
	undo := in.Undo
	if undo == "" {
		undo = spec.Undo
	}
	seq, err := live.run(ctx, b.actor(), in.Step, in.Targets, sessionlog.Requested{
		Command: line, Effect: spec.Effect, Timeout: limit, Key: b.self.Key, Reason: in.Reason, Undo: undo,
	})
	return console.Receipt{Session: in.Session, Seq: seq}, err
}

// spec returns the declaration of a check that an endpoint can be asked.
func (b *backend) spec(ctx context.Context, id sessionlog.EndpointID, name string) (check.Spec, error) {
	specs, err := b.Checks(ctx, id)
	if err != nil {
		return check.Spec{}, err
	}
	i, ok := slices.BinarySearchFunc(specs, name, func(s check.Spec, name string) int { return strings.Compare(s.Name, name) })
	if !ok {
		return check.Spec{}, console.Errorf(console.CodeNotFound, "see `check --list`", "this endpoint has no check %q", name)
	}
	return specs[i], nil
}
