package relay

import (
	"errors"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// uphold makes what is live follow the catalogue: endpoints that were revoked are
// sent away, sessions whose technician may not work there any more are sealed, and
// whoever looks at what they may not see any more is cut off.
func (r *Relay) uphold() {
	for _, id := range r.dir.ids() {
		if _, ok := r.fleet.Endpoint(id); !ok {
			r.agents.revoke(id)
			r.dir.remove(id)
		}
	}
	for _, s := range r.live() {
		if _, ok := r.fleet.Endpoint(s.info.Endpoint); !ok {
			r.agents.revoke(s.info.Endpoint) // the directory may never have had it
		}
		if r.mayNotGoOn(s) != "" {
			r.work.Go(func() { r.evict(s) })
		} else if s.strays() { // a relay died, or a disk failed, before it was recorded
			r.work.Go(func() {
				if err := s.follow(r.ctx); err != nil && r.ctx.Err() == nil {
					r.cfg.Log.Error("session not in its incident yet", "session", s.info.Session, "err", err)
				}
			})
		}
	}
	r.cutLooks()
	r.dir.retell(r.fleet.Rights())
}

// mayNotGoOn says why a session has to end, or nothing.
func (r *Relay) mayNotGoOn(s *session) string {
	ep, ok := r.fleet.Endpoint(s.info.Endpoint)
	if !ok {
		return errRevoked.Error()
	}
	if ep.Client != s.info.Client {
		return "the endpoint was moved to another client"
	}
	if !r.fleet.RoleFor(s.info.Technician, s.info.Client).Covers(console.RoleTechnician) {
		return "the technician may no longer work here"
	}
	return ""
}

// over reports whether what was opened is a session that has to end: whoever asks gets
// a new one, and does not wait for that.
func (o *opening) over() bool {
	return isDone(o.done) && o.session != nil && o.session.relay.mayNotGoOn(o.session) != ""
}

// evictAgain is how soon it is tried again to seal a session whose steps do not end.
const evictAgain = 30 * time.Second

// evict cancels what runs in a session, and seals it. It tries until it can, or until
// the session may go on after all.
func (r *Relay) evict(s *session) {
	if !s.evicted.CompareAndSwap(false, true) {
		return // somebody is at it
	}
	defer s.evicted.Store(false)
	again := time.NewTicker(evictAgain)
	defer again.Stop()
	for why := r.mayNotGoOn(s); why != ""; why = r.mayNotGoOn(s) {
		_, err := s.close(r.ctx, sessionlog.Relay, why)
		if err != nil && !errors.Is(err, errOver) && r.ctx.Err() == nil {
			r.cfg.Log.Error("session not sealed yet", "session", s.info.Session, "why", why, "err", err)
		}
		select {
		case <-s.over:
			return
		case <-again.C:
		case <-r.ctx.Done():
			return
		}
	}
}
