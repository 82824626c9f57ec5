package relay

import (
	"context"
	"sync"

	"github.com/caisey/caisey/sessionlog"
)

// agents knows which endpoint is connected by which link. The newest link of an
// endpoint is the one that counts.
type agents struct {
	mu      sync.Mutex // guards what follows
	links   map[sessionlog.EndpointID]Link
	arrived chan struct{} // closed and replaced at every arrival
}

func newAgents() *agents {
	return &agents{links: map[sessionlog.EndpointID]Link{}, arrived: make(chan struct{})}
}

// put makes link the endpoint's, and returns the one it replaces, if any.
func (a *agents) put(id sessionlog.EndpointID, link Link) (old Link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old = a.links[id]
	a.links[id] = link
	close(a.arrived)
	a.arrived = make(chan struct{})
	return old
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

// wait returns the endpoint's link as soon as there is one.
func (a *agents) wait(ctx context.Context, id sessionlog.EndpointID) (Link, error) {
	for {
		link, arrived := a.get(id)
		if link != nil {
			return link, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
