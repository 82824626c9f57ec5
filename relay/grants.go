package relay

import (
	"slices"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
)

// A yes is one person's approval of a step.
type yes struct {
	name string
	at   time.Time
}

func names(all []yes) (out []string) {
	for _, y := range all {
		out = append(out, y.name)
	}
	return out
}

// A subject is what is the same when a step is asked for again: its asker, command,
// effect and time limit. See statement.Order.
type subject [32]byte

// A granted is where approvals count again: for the same subject, on the same endpoint,
// in the same incident.
type granted struct {
	incident sessionlog.IncidentID
	endpoint sessionlog.EndpointID
	subject  subject
}

// A grant is a step that was approved, and by whom.
type grant struct {
	technician string
	step       sessionlog.StepID
	by         []yes
}

// grants remembers the steps that were approved, for ttl. It is not on disk: what a
// relay that starts again knows of, it learns from records.
type grants struct {
	ttl time.Duration // static

	mu     sync.Mutex // guards what follows
	given  map[granted]grant
	denied map[subject]time.Time // when somebody said no last
}

func newGrants(ttl time.Duration) *grants {
	return &grants{ttl: ttl, given: map[granted]grant{}, denied: map[subject]time.Time{}}
}

// give remembers a step that was approved.
func (g *grants) give(key granted, to grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tidyLocked()
	g.given[key] = to
}

// deny notes that somebody said no at a time: nothing that was approved before it
// counts again.
func (g *grants) deny(what subject, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tidyLocked()
	if at.After(g.denied[what]) {
		g.denied[what] = at
	}
}

// tidyLocked forgets what counts no longer.
func (g *grants) tidyLocked() {
	for key, to := range g.given {
		if !g.liveLocked(key, to) {
			delete(g.given, key)
		}
	}
	for what, at := range g.denied {
		if !g.young(at) {
			delete(g.denied, what) // so is all that was approved before
		}
	}
}

// young reports whether a moment is no longer ago than approvals count, by the wall
// clock: a machine may have slept. One that is yet to come is none.
func (g *grants) young(at time.Time) bool {
	age := time.Now().Round(0).Sub(at.Round(0))
	return age >= 0 && age < g.ttl
}

func (g *grants) liveLocked(key granted, to grant) bool {
	no := g.denied[key.subject]
	return !slices.ContainsFunc(to.by, func(y yes) bool { return !g.young(y.at) || !y.at.After(no) })
}

// get returns what was approved there, as long as all of it is live.
func (g *grants) get(key granted) (grant, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	to, ok := g.given[key]
	return to, ok && g.liveLocked(key, to)
}

// forget forgets what was approved for a technician up to a time; for everybody if
// there is none.
func (g *grants) forget(technician string, upto time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, to := range g.given {
		if technician == "" || to.technician == technician && slices.ContainsFunc(to.by, func(y yes) bool { return !y.at.After(upto) }) {
			delete(g.given, key)
		}
	}
}

// subject returns that of a step.
func (s *session) subject(req sessionlog.Requested) subject { return s.order("", req).Subject() }

// remember keeps the approvals of a step that was held and that they let go, if it
// was asked for in the incident in which the session is still.
func (s *session) remember(st *step, by []yes) {
	if in := s.inIncident(); in != "" && st.gate.incident == in {
		s.relay.grants.give(granted{in, s.info.Endpoint, s.subject(st.req)}, grant{s.info.Technician, st.id, slices.Clone(by)})
	}
}

// reuse returns the earlier approvals by which a step need not be held, if there are
// such: its session is in an open incident, the same was approved there not long ago,
// nobody said no to it since, and those who approved it may do so now and are enough
// for the policy as it is now.
func (s *session) reuse(req sessionlog.Requested, targets int, hold sessionlog.Hold) (sessionlog.Reused, bool) {
	in := s.inIncident()
	if in == "" || !s.relay.fleet.IncidentIsOpen(in) {
		return sessionlog.Reused{}, false
	}
	g, ok := s.relay.grants.get(granted{in, s.info.Endpoint, s.subject(req)})
	if !ok {
		return sessionlog.Reused{}, false
	}
	by := names(g.by)
	by = s.valid(req, targets, by[:len(by)-1], by) // asked as when the last of them approved it
	if s.relay.rules().Decide(s.request(req, targets, by)).Verdict != policy.Allow {
		return sessionlog.Reused{}, false
	}
	return sessionlog.Reused{Digest: hold.Digest, Of: g.step, By: by}, true
}

// learn takes from a live session's record what was approved and denied in it. An
// override is no approval, and what was approved by an earlier approval is not approved
// anew.
func (s *session) learn(state *sessionlog.State) {
	for _, st := range state.Steps {
		h := st.Held
		switch {
		case h == nil:
		case h.Over == sessionlog.ApprovalDenied:
			s.relay.grants.deny(s.subject(st.Request), st.At)
		case h.Over != "" || h.Of != "" || len(h.Granted) == 0 || !st.Dispatched || state.IncidentOf(st) == "":
		default:
			s.relay.grants.give(granted{state.Incident.Incident, s.info.Endpoint, s.subject(st.Request)}, grant{s.info.Technician, st.ID, given(h)})
		}
	}
}

// given returns who approved a step of a record, and when.
func given(h *sessionlog.Held) (out []yes) {
	for i, actor := range h.Granted {
		out = append(out, yes{actor.Name(), h.At[i]})
	}
	return out
}

// unlearn forgets what was learned from live records if a record that was not read may
// tell of a no: one that is sealed, or broken.
func (r *Relay) unlearn() {
	if r.unread {
		r.grants.forget("", time.Time{})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sealed {
		r.grants.forget(s.Technician, s.Last)
	}
}
