package relay

import (
	"context"
	"slices"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
)

// Incidents implements console.Backend.
func (b *backend) Incidents(context.Context) ([]console.Incident, error) {
	return slices.DeleteFunc(b.relay.fleet.Incidents(), func(i console.Incident) bool { return !b.may(console.RoleViewer, i.Client) }), nil
}

func (b *backend) openIncident(ctx context.Context, in console.OpenIncident) (console.Receipt, error) {
	if !b.may(console.RoleTechnician, in.Client) { // of a client that is not there, too
		return console.Receipt{}, console.Errorf(console.CodeRefused, "ask an admin", "%s is not a technician for %.80q", b.self.Name, in.Client)
	}
	if !slices.ContainsFunc(b.relay.fleet.Endpoints(), func(e fleet.Endpoint) bool { return e.Client == in.Client }) {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "see `ls` for the clients", "no endpoint is of a client %.80q", in.Client)
	}
	id, err := b.relay.fleet.OpenIncident(ctx, b.actor(), in)
	if err != nil {
		return console.Receipt{}, err
	}
	return console.Receipt{ID: string(id)}, b.bring(ctx, in.Client)
}

func (b *backend) joinIncident(ctx context.Context, in console.JoinIncident) (console.Receipt, error) {
	inc, err := b.incident(in.Incident, console.RoleTechnician)
	if err != nil {
		return console.Receipt{}, err
	}
	if err := b.relay.fleet.JoinIncident(ctx, b.actor(), in.Incident); err != nil {
		return console.Receipt{}, err
	}
	return console.Receipt{ID: string(inc.ID)}, b.bring(ctx, inc.Client)
}

// closeIncident ends an incident for whoever opened it, or leads its client.
func (b *backend) closeIncident(ctx context.Context, in console.CloseIncident) (console.Receipt, error) {
	inc, err := b.incident(in.Incident, console.RoleTechnician)
	if err != nil {
		return console.Receipt{}, err
	}
	if inc.Lead != b.self.Name && !b.may(console.RoleLead, inc.Client) {
		return console.Receipt{}, console.Errorf(console.CodeRefused, "ask them, or a lead", "%s opened incident %s", inc.Lead, inc.ID)
	}
	return console.Receipt{ID: string(inc.ID)}, b.relay.fleet.CloseIncident(ctx, b.actor(), in.Incident)
}

// incident returns an incident for which the person is role.
func (b *backend) incident(id sessionlog.IncidentID, role console.Role) (console.Incident, error) {
	missing := console.Errorf(console.CodeNotFound, "see `incident ls`", "there is no incident %.80q", id)
	inc, ok := b.relay.fleet.Incident(id)
	if !ok {
		return console.Incident{}, missing
	}
	return inc, b.need(role, inc.Client, missing)
}

// bring brings the person's open sessions on endpoints of client into the incident that
// they joined last.
func (b *backend) bring(ctx context.Context, client string) error {
	for _, s := range b.relay.live() {
		if s.info.Client == client && s.info.Technician == b.self.Name {
			if err := s.follow(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow brings the session into the open incident that its technician joined last, if
// that is another than the session is in. One that closes is not left.
func (s *session) follow(ctx context.Context) error {
	if !s.strays() {
		return nil
	}
	err := s.call(ctx, func() error {
		to, ok := s.relay.fleet.WorksIn(s.info.Technician, s.info.Client)
		if !ok || to.Incident == s.inIncident() {
			return nil
		}
		ev := sessionlog.New(sessionlog.IncidentJoined, sessionlog.Technician(s.info.Technician), "", to)
		if _, err := sessionlog.Append(s.relay.ctx, s.rec, ev); err != nil {
			return err
		}
		s.touch(func() { s.incident = to.Incident })
		return nil
	})
	if err == errOver {
		return nil // what is sealed belongs where it did
	}
	return err
}

// strays reports whether the session is not in the incident in which its technician
// works.
func (s *session) strays() bool {
	to, ok := s.relay.fleet.WorksIn(s.info.Technician, s.info.Client)
	return ok && to.Incident != s.inIncident()
}

// inIncident returns the incident that the session belongs to, if there is one.
func (s *session) inIncident() sessionlog.IncidentID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.incident
}
