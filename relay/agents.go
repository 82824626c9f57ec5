package relay

import (
	"context"
	"errors"
	"sync"

	"github.com/caisey/caisey/sessionlog"
)

// agents knows which endpoint is connected by which link. The newest link of an
// endpoint is the one that counts.
type agents struct {
	mu      sync.Mutex // guards what follows
	links   map[sessionlog.EndpointID]Link
	revoked map[sessionlog.EndpointID]bool
	arrived chan struct{} // closed and replaced at every arrival
}

func newAgents() *agents {
	return &agents{links: map[sessionlog.EndpointID]Link{}, revoked: map[sessionlog.EndpointID]bool{}, arrived: make(chan struct{})}
}

// put makes link the endpoint's, and returns the one it replaces, if any; of an
// endpoint that was revoked, that is link itself.
func (a *agents) put(id sessionlog.EndpointID, link Link) (old Link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.revoked[id] {
		return link
	}
	old = a.links[id]
	a.links[id] = link
	close(a.arrived)
	a.arrived = make(chan struct{})
	return old
}

// errRevoked says that an endpoint will not come back.
var errRevoked = errors.New("the endpoint was revoked")

// revoke sends an endpoint away for good; whoever waits for it is told.
func (a *agents) revoke(id sessionlog.EndpointID) {
	a.mu.Lock()
	link := a.links[id]
	a.revoked[id] = true
	delete(a.links, id)
	close(a.arrived)
	a.arrived = make(chan struct{})
	a.mu.Unlock()
	if link != nil {
		link.Close(errRevoked.Error())
	}
}

// drop forgets link, and reports whether it was still the endpoint's.
func (a *agents) drop(id sessionlog.EndpointID, link Link) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.links[id] != link {
		return false
	}
	delete(a.links, id)
	return true
}

// get returns the endpoint's link, or nil; arrived is closed when the answer
// may have changed for the better.
func (a *agents) get(id sessionlog.EndpointID) (link Link, arrived <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.links[id], a.arrived
}

func (a *agents) isRevoked(id sessionlog.EndpointID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.revoked[id]
}

// wait returns the endpoint's link as soon as there is one, or errRevoked.
func (a *agents) wait(ctx context.Context, id sessionlog.EndpointID) (Link, error) {
	for {
		link, arrived := a.get(id)
		if link != nil {
			return link, nil
		}
		if a.isRevoked(id) {
			return nil, errRevoked
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
