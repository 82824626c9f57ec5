package relay

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// directory is what is known of every endpoint now. It is told, never recorded;
// readers pull what changed since they last looked.
type directory struct {
	mu      sync.Mutex // guards what follows
	version uint64     // grows with every change
	rights  uint64     // with which rosters were told
	entries map[sessionlog.EndpointID]*entry
	changed chan struct{} // closed and replaced at every change
}

type entry struct {
	console.Endpoint
	version  uint64 // of its newest change
	gone     bool   // no longer in the fleet
	watchers map[string]int
}

func newDirectory() *directory {
	return &directory{entries: map[sessionlog.EndpointID]*entry{}, changed: make(chan struct{})}
}

// update changes one endpoint, which is added if it is new.
func (d *directory) update(id sessionlog.EndpointID, change func(*console.Endpoint)) {
	d.edit(id, func(e *entry) { change(&e.Endpoint) })
}

// watch counts a viewer of a live session on an endpoint, and returns how to
// take it back.
func (d *directory) watch(id sessionlog.EndpointID, technician string) (leave func()) {
	count := func(by int) {
		d.edit(id, func(e *entry) {
			if e.watchers[technician] += by; e.watchers[technician] == 0 {
				delete(e.watchers, technician)
			}
			e.On = slices.Sorted(maps.Keys(e.watchers))
		})
	}
	count(1)
	return sync.OnceFunc(func() { count(-1) })
}

func (d *directory) edit(id sessionlog.EndpointID, change func(*entry)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[id]
	if e == nil {
		e = &entry{watchers: map[string]int{}}
		e.ID = id
		d.entries[id] = e
	}
	was, wasGone := e.Endpoint, e.gone
	change(e)
	if e.version > 0 && e.gone == wasGone && reflect.DeepEqual(was, e.Endpoint) {
		return // nothing to tell
	}
	d.version++
	e.version = d.version
	close(d.changed)
	d.changed = make(chan struct{})
}

// get returns one endpoint.
func (d *directory) get(id sessionlog.EndpointID) (console.Endpoint, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[id]
	if e == nil {
		return console.Endpoint{}, false
	}
	return e.Endpoint, true
}

// ids returns the endpoints that are there.
func (d *directory) ids() []sessionlog.EndpointID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []sessionlog.EndpointID
	for id, e := range d.entries {
		if !e.gone {
			ids = append(ids, id)
		}
	}
	return ids
}

// remove takes an endpoint out of every roster.
func (d *directory) remove(id sessionlog.EndpointID) { d.edit(id, func(e *entry) { e.gone = true }) }

// retell has every roster look at all endpoints again, if rights are not those
// with which they did.
func (d *directory) retell(rights uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rights == rights {
		return
	}
	d.rights = rights
	d.version++
	for _, e := range d.entries {
		e.version = d.version
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

// since returns the endpoints that changed after version, and which of them are
// gone.
func (d *directory) since(version uint64) (eps []console.Endpoint, gone []sessionlog.EndpointID, now uint64, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if version == d.version {
		return nil, nil, version, d.changed
	}
	for id, e := range d.entries {
		switch {
		case e.version <= version:
		case e.gone:
			gone = append(gone, id)
		default:
			eps = append(eps, e.Endpoint)
		}
	}
	return eps, gone, d.version, d.changed
}

// A roster is one console's place in the directory.
type roster struct {
	dir     *directory
	visible func(console.Endpoint) bool
	done    chan struct{}
	close   func()

	// Owned by the goroutine that calls Next.
	begun   bool
	version uint64
	told    map[sessionlog.EndpointID]bool // what was told and is not gone
}

func (d *directory) roster(visible func(console.Endpoint) bool) *roster {
	done := make(chan struct{})
	return &roster{dir: d, visible: visible, told: map[sessionlog.EndpointID]bool{}, done: done, close: sync.OnceFunc(func() { close(done) })}
}

// Next implements console.Roster.
func (r *roster) Next(ctx context.Context) (console.Changes, error) {
	for {
		eps, gone, now, changed := r.dir.since(r.version)
		r.version = now
		ch := r.tell(eps, gone)
		if len(ch.Endpoints) > 0 || len(ch.Gone) > 0 || !r.begun {
			r.begun = true
			return ch, nil
		}
		select {
		case <-changed:
		case <-r.done:
			return console.Changes{}, console.ErrClosed
		case <-ctx.Done():
			return console.Changes{}, context.Cause(ctx)
		}
	}
}

// tell returns what of that is news to the person: what they may not see is gone,
// if it was ever there.
func (r *roster) tell(eps []console.Endpoint, gone []sessionlog.EndpointID) console.Changes {
	var ch console.Changes
	for _, e := range eps {
		if r.visible(e) {
			r.told[e.ID] = true
			ch.Endpoints = append(ch.Endpoints, e)
		} else {
			gone = append(gone, e.ID)
		}
	}
	for _, id := range gone {
		if r.told[id] {
			delete(r.told, id)
			ch.Gone = append(ch.Gone, id)
		}
	}
	return ch
}

// Close implements console.Roster.
func (r *roster) Close() error {
	r.close()
	return nil
}
