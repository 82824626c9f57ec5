package quicrelay

import (
	"context"
	"maps"
	"slices"

	"github.com/quic-go/quic-go"

	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
)

// hold counts conn as one that proved an endpoint's key, until release.
func (s *Server) hold(id sessionlog.EndpointID, conn *quic.Conn) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders[id] == nil {
		s.holders[id] = map[*quic.Conn]bool{}
	}
	s.holders[id][conn] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.holders[id], conn); len(s.holders[id]) == 0 {
			delete(s.holders, id)
		}
	}
}

// resume takes what an agent shows, and returns what to give it for the next time.
// errCloned means that the endpoint is quarantined, from now on or already. conn is
// held: so either it sees that the endpoint is, or whoever makes it so sees conn.
func (s *Server) resume(conn *quic.Conn, ep fleet.Endpoint, shown []byte) ([]byte, error) {
	if now, ok := s.cfg.Fleet.Endpoint(ep.ID); ok && now.Quarantined {
		return nil, errCloned
	}
	next, err := s.resumes.show(ep.ID, shown)
	if err == errCloned {
		s.quarantine(conn, ep)
	}
	return next, err
}

// quarantine sends away all that hold an endpoint's key, and lets nobody in by it
// until an admin says so.
func (s *Server) quarantine(conn *quic.Conn, ep fleet.Endpoint) {
	log := s.cfg.Log.With("endpoint", ep.Path(), "from", conn.RemoteAddr().String())
	log.Error("endpoint quarantined: its key has a second holder")
	if err := s.cfg.Fleet.Quarantine(context.WithoutCancel(s.ctx), ep.ID, conn.RemoteAddr().String()); err != nil {
		log.Error("quarantine not recorded", "err", err) // the next to come tries again
		return
	}
	s.resumes.forget(ep.ID) // whoever is first after an admin cleared it begins anew
	s.mu.Lock()
	others := slices.Collect(maps.Keys(s.holders[ep.ID]))
	s.mu.Unlock()
	for _, other := range others {
		if other != conn { // which is told by a message
			_ = other.CloseWithError(wire.CodeDenied, errCloned.Error()) // it may be gone already
		}
	}
}
