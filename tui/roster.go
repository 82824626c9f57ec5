package tui

import (
	"context"
	"sync"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A roster follows the directory in a goroutine of its own and keeps what the
// screen has not yet taken: at most the newest state of each endpoint.
type roster struct {
	// Static.
	backend console.Backend
	wake    func()

	mu      sync.Mutex // guards what follows
	changed map[sessionlog.EndpointID]console.Endpoint
	gone    map[sessionlog.EndpointID]bool
	whole   bool   // the next changes are all endpoints
	trouble string // what is wrong with the connection, or ""
	turned  bool   // trouble was set or taken away
}

// run follows the directory until ctx ends.
func (r *roster) run(ctx context.Context) {
	retry := firstRetry
	for ctx.Err() == nil {
		told, err := r.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		r.say("DIRECTORY LOST, trying again: " + vt.Plain(err.Error()))
		if told {
			retry = firstRetry
		}
		if !sleep(ctx, retry) {
			return
		}
		retry = min(2*retry, lastRetry)
	}
}

// follow reports whether the directory told anything before it failed.
func (r *roster) follow(ctx context.Context) (told bool, err error) {
	dir, err := r.backend.Directory(ctx)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	for {
		ch, err := dir.Next(ctx)
		if err != nil {
			return told, err
		}
		r.take(ch, !told)
		told = true
	}
}

func (r *roster) take(ch console.Changes, whole bool) {
	r.mu.Lock()
	if whole || r.changed == nil {
		r.changed, r.gone = map[sessionlog.EndpointID]console.Endpoint{}, map[sessionlog.EndpointID]bool{}
	}
	r.whole = r.whole || whole
	for _, ep := range ch.Endpoints {
		r.changed[ep.ID] = ep
		delete(r.gone, ep.ID)
	}
	for _, id := range ch.Gone {
		r.gone[id] = true
		delete(r.changed, id)
	}
	r.turned = r.turned || r.trouble != ""
	r.trouble = ""
	r.mu.Unlock()
	r.wake()
}

func (r *roster) say(trouble string) {
	r.mu.Lock()
	r.trouble, r.turned = trouble, true
	r.mu.Unlock()
	r.wake()
}

// drain returns what changed since the last call, and false if nothing did.
func (r *roster) drain(known map[sessionlog.EndpointID]*endpointRow) (console.Changes, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		return console.Changes{}, false
	}
	var ch console.Changes
	if r.whole { // after a lost connection: what is not told is gone
		for id := range known {
			if _, ok := r.changed[id]; !ok {
				ch.Gone = append(ch.Gone, id)
			}
		}
	}
	for _, ep := range r.changed {
		ch.Endpoints = append(ch.Endpoints, ep)
	}
	for id := range r.gone {
		ch.Gone = append(ch.Gone, id)
	}
	r.changed, r.gone, r.whole = nil, nil, false
	return ch, true
}

func (r *roster) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trouble
}

// news reports whether state says something else than at the last call.
func (r *roster) news() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	turned := r.turned
	r.turned = false
	return turned
}
