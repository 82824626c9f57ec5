package fleet

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// The kinds of events about incidents. Beside each stands the type of its body.
const (
	IncidentOpened sessionlog.Kind = "incident.opened" // Outage
	IncidentJoined sessionlog.Kind = "incident.joined" // InIncident; the actor joined
	IncidentClosed sessionlog.Kind = "incident.closed" // InIncident
)

// Outage is the body of IncidentOpened. The actor leads the incident, and has joined
// it.
type Outage struct {
	ID     sessionlog.IncidentID `json:"id"`
	Title  string                `json:"title"`
	Client string                `json:"client"`
}

// InIncident is the body of IncidentJoined and IncidentClosed.
type InIncident struct {
	ID     sessionlog.IncidentID `json:"id"`
	Client string                `json:"client"`
}

// An incident is what the log tells of one.
type incident struct {
	Outage
	lead           string
	opened, closed time.Time
	people         map[string]bool
}

// A workplace is where somebody is in one incident at a time.
type workplace struct{ technician, client string }

// maxTitle is the most bytes of an incident's title.
const maxTitle = 200

func checkTitle(s string) error {
	if s = strings.TrimSpace(s); s == "" || len(s) > maxTitle || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return console.Errorf(console.CodeUsage, "", "the title of an incident is one line of 1 to %d bytes", maxTitle)
	}
	return nil
}

// OpenIncident opens an incident and returns its ID. by is who asked: they lead it.
func (c *Catalogue) OpenIncident(ctx context.Context, by sessionlog.Actor, in console.OpenIncident) (sessionlog.IncidentID, error) {
	if err := checkTitle(in.Title); err != nil {
		return "", err
	}
	if err := checkClient(in.Client); err != nil {
		return "", err
	}
	body := Outage{ID: sessionlog.NewIncidentID(), Title: strings.TrimSpace(in.Title), Client: in.Client}
	_, err := c.change(ctx, func() (sessionlog.Event, error) { return sessionlog.New(IncidentOpened, by, "", body), nil })
	return body.ID, err
}

// JoinIncident has by work in an incident, unless they do already.
func (c *Catalogue) JoinIncident(ctx context.Context, by sessionlog.Actor, id sessionlog.IncidentID) error {
	if b, ok := c.Incident(id); ok {
		if now, _ := c.WorksIn(by.Name(), b.Client); now.Incident == id {
			return nil
		}
	}
	return c.changeIncident(ctx, id, func(b InIncident) sessionlog.Event { return sessionlog.New(IncidentJoined, by, "", b) })
}

// CloseIncident ends an incident. by is who asked.
func (c *Catalogue) CloseIncident(ctx context.Context, by sessionlog.Actor, id sessionlog.IncidentID) error {
	return c.changeIncident(ctx, id, func(b InIncident) sessionlog.Event { return sessionlog.New(IncidentClosed, by, "", b) })
}

// changeIncident records what make makes, of an incident that is open.
func (c *Catalogue) changeIncident(ctx context.Context, id sessionlog.IncidentID, make func(InIncident) sessionlog.Event) error {
	_, err := c.change(ctx, func() (sessionlog.Event, error) {
		inc, ok := c.Incident(id)
		switch {
		case !ok:
			return sessionlog.Event{}, console.Errorf(console.CodeNotFound, "see `incident ls`", "there is no incident %.80q", id)
		case !inc.Closed.IsZero():
			return sessionlog.Event{}, console.Errorf(console.CodeUsage, "open another", "incident %s is closed", id)
		}
		return make(InIncident{ID: id, Client: inc.Client}), nil
	})
	return err
}

// Incidents returns all incidents, newest first.
func (c *Catalogue) Incidents() []console.Incident {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]console.Incident, 0, len(c.incidents))
	for _, inc := range c.incidents {
		out = append(out, inc.shown())
	}
	slices.SortFunc(out, func(a, b console.Incident) int { return strings.Compare(string(b.ID), string(a.ID)) })
	return out
}

// Incident returns the incident of that ID.
func (c *Catalogue) Incident(id sessionlog.IncidentID) (console.Incident, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	inc := c.incidents[id]
	if inc == nil {
		return console.Incident{}, false
	}
	return inc.shown(), true
}

// IncidentIsOpen reports whether there is such an incident, and it is not closed.
func (c *Catalogue) IncidentIsOpen(id sessionlog.IncidentID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	inc := c.incidents[id]
	return inc != nil && inc.closed.IsZero()
}

// WorksIn returns the open incident of a client that a technician joined last, and
// whether there is one.
func (c *Catalogue) WorksIn(technician, client string) (sessionlog.Joined, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	inc := c.incidents[c.working[workplace{technician, client}]]
	if inc == nil || !inc.closed.IsZero() {
		return sessionlog.Joined{}, false
	}
	return sessionlog.Joined{Incident: inc.ID, Title: inc.Title}, true
}

func (inc *incident) shown() console.Incident {
	return console.Incident{
		ID: inc.ID, Title: inc.Title, Client: inc.Client, Lead: inc.lead, Opened: inc.opened, Closed: inc.closed,
		People: slices.Sorted(maps.Keys(inc.people)),
	}
}

// applyIncident runs with c.mu held.
func (c *Catalogue) applyIncident(ev sessionlog.Event) error {
	who := ev.Actor.Name()
	if ev.Kind == IncidentOpened {
		var b Outage
		if err := ev.Decode(&b); err != nil {
			return err
		}
		c.incidents[b.ID] = &incident{Outage: b, lead: who, opened: ev.Time, people: map[string]bool{who: true}}
		c.working[workplace{who, b.Client}] = b.ID
		return nil
	}
	var b InIncident
	if err := ev.Decode(&b); err != nil {
		return err
	}
	inc := c.incidents[b.ID]
	switch {
	case inc == nil: // of a log that was cut
	case ev.Kind == IncidentClosed:
		inc.closed = ev.Time
	default:
		inc.people[who] = true
		c.working[workplace{who, inc.Client}] = b.ID
	}
	return nil
}
