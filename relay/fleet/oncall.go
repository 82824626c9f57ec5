package fleet

import (
	"context"
	"maps"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// The kinds of events about who is on call. Beside each stands the type of its body.
const (
	OnCallSet   sessionlog.Kind = "oncall.set"   // OnCall
	OnCallEnded sessionlog.Kind = "oncall.ended" // OnCall, without until
)

// OnCall is the body of OnCallSet and OnCallEnded. A time on call that comes to its end
// is no event.
type OnCall struct {
	Name   string    `json:"name"`
	Client string    `json:"client"`
	Until  time.Time `json:"until,omitzero"`
}

// SetOnCall puts a lead on call, or takes that back. by is who asked.
func (c *Catalogue) SetOnCall(ctx context.Context, by sessionlog.Actor, in console.SetOnCall) (until time.Time, err error) {
	if err := checkClient(in.Client); err != nil {
		return until, err
	}
	if !in.Off && (in.For <= 0 || in.For > console.MaxOnCall) {
		return until, console.Errorf(console.CodeUsage, "say for how long, such as 8h", "on call is for more than nothing and at most %d days", console.MaxOnCall/(24*time.Hour))
	}
	_, err = c.change(ctx, func() (sessionlog.Event, error) {
		_, is := c.OnCallUntil(in.Name, in.Client)
		switch {
		case in.Off && !is:
			return sessionlog.Event{}, console.Errorf(console.CodeNotFound, "see `tech ls`", "%.80q is not on call for %s", in.Name, in.Client)
		case in.Off:
			return sessionlog.New(OnCallEnded, by, "", OnCall{Name: in.Name, Client: in.Client}), nil
		case !c.RoleFor(in.Name, in.Client).Covers(console.RoleLead): // or nobody: an admin there sees no others
			return sessionlog.Event{}, console.Errorf(console.CodeNotFound, "make them one first", "%.80q is no lead for %s", in.Name, in.Client)
		}
		until = c.clock().Add(in.For).UTC().Round(0)
		return sessionlog.New(OnCallSet, by, "", OnCall{Name: in.Name, Client: in.Client, Until: until}), nil
	})
	return until, err
}

// OnCallUntil returns until when a technician is on call for client, and whether they
// are: by the wall clock, and as long as they are a lead or more there.
func (c *Catalogue) OnCallUntil(name, client string) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := c.onCall[workplace{name, client}]
	t := c.technicians[name]
	// until has no monotonic reading, so the wall clock is asked: a timer would stand
	// still while the relay's machine sleeps.
	if t == nil || !t.RoleFor(client).Covers(console.RoleLead) || !c.clock().Before(until) {
		return time.Time{}, false
	}
	return until, true
}

// OnCall returns until when a technician is on call, by client.
func (c *Catalogue) OnCall(name string) map[string]time.Time {
	c.mu.Lock()
	all := maps.Clone(c.onCall)
	c.mu.Unlock()
	out := map[string]time.Time{}
	for at := range all {
		if at.technician == name {
			if until, is := c.OnCallUntil(name, at.client); is {
				out[at.client] = until
			}
		}
	}
	return out
}

// applyOnCall runs with c.mu held.
func (c *Catalogue) applyOnCall(ev sessionlog.Event) error {
	var b OnCall
	if err := ev.Decode(&b); err != nil {
		return err
	}
	if ev.Kind == OnCallSet {
		c.onCall[workplace{b.Name, b.Client}] = b.Until.Round(0)
	} else {
		delete(c.onCall, workplace{b.Name, b.Client})
	}
	return nil
}
