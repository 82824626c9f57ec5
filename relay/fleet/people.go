package fleet

import (
	"context"
	"slices"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// Grant changes what a person is for some clients, or everywhere. by is who asked.
func (c *Catalogue) Grant(ctx context.Context, by sessionlog.Actor, in console.GrantRole) error {
	if in.Role != "" && !in.Role.Valid() {
		return noRole(in.Role)
	}
	if err := checkClients(in.Clients); err != nil {
		return err
	}
	return c.changePerson(ctx, in.Name, func(t Technician) (sessionlog.Event, error) {
		t.grant(in.Role, in.Clients)
		return sessionlog.New(TechnicianGranted, by, "", Granted(in)), c.keepsAdmin(t)
	})
}

// AddKey lets a person in by one more key. by is who asked.
func (c *Catalogue) AddKey(ctx context.Context, by sessionlog.Actor, in console.AddKey) (print string, err error) {
	line, print, err := parseKey(in.Key)
	if err != nil {
		return "", err
	}
	return print, c.changePerson(ctx, in.Name, func(Technician) (sessionlog.Event, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return sessionlog.New(KeyAdded, by, "", Key{Name: in.Name, Line: line, Print: print}), c.keyFree(print)
	})
}

// RemoveKey takes a key from a person. by is who asked.
func (c *Catalogue) RemoveKey(ctx context.Context, by sessionlog.Actor, in console.RemoveKey) error {
	return c.changePerson(ctx, in.Name, func(t Technician) (sessionlog.Event, error) {
		if !t.has(in.Print) {
			return sessionlog.Event{}, console.Errorf(console.CodeNotFound, "see `tech ls` for the keys", "%s has no key %.80q", in.Name, in.Print)
		}
		t.drop(in.Print)
		return sessionlog.New(KeyRemoved, by, "", Key{Name: in.Name, Print: in.Print}), c.keepsAdmin(t)
	})
}

// Disable lets a person in nowhere, from now on. by is who asked.
func (c *Catalogue) Disable(ctx context.Context, by sessionlog.Actor, in console.DisableTechnician) error {
	return c.changePerson(ctx, in.Name, func(t Technician) (sessionlog.Event, error) {
		t.Disabled = true
		return sessionlog.New(TechnicianDisabled, by, "", Disabled(in)), c.keepsAdmin(t)
	})
}

// Enable takes Disable back. by is who asked.
func (c *Catalogue) Enable(ctx context.Context, by sessionlog.Actor, in console.EnableTechnician) error {
	return c.changePerson(ctx, in.Name, func(Technician) (sessionlog.Event, error) {
		return sessionlog.New(TechnicianEnabled, by, "", Disabled{Name: in.Name}), nil
	})
}

// changePerson lets decide choose an event about a person who is there.
func (c *Catalogue) changePerson(ctx context.Context, name string, decide func(Technician) (sessionlog.Event, error)) error {
	_, err := c.change(ctx, func() (sessionlog.Event, error) {
		t, ok := c.Technician(name)
		if !ok {
			return sessionlog.Event{}, console.Errorf(console.CodeNotFound, "see `tech ls` for who is", "there is no technician %.80q", name)
		}
		return decide(t)
	})
	return err
}

// keepsAdmin refuses a change that would leave nobody who can undo it. t is the
// person as the change would make them.
func (c *Catalogue) keepsAdmin(t Technician) error {
	for _, other := range c.Technicians() {
		if other.Name == t.Name {
			other = t
		}
		if other.canAdminister() {
			return nil
		}
	}
	if old, _ := c.Technician(t.Name); !old.canAdminister() {
		return nil // there was none before
	}
	return console.Errorf(console.CodeRefused, "make somebody else an admin first", "%s is the last admin", t.Name)
}

func (t Technician) canAdminister() bool {
	return !t.Disabled && len(t.Keys) > 0 && t.Grants[Everywhere] == console.RoleAdmin
}

func (t Technician) has(print string) bool {
	return slices.ContainsFunc(t.Keys, func(k Key) bool { return k.Print == print })
}

func (t *Technician) drop(print string) {
	t.Keys = slices.DeleteFunc(t.Keys, func(k Key) bool { return k.Print == print })
}

// applyPerson folds an event about a person who is there.
func (c *Catalogue) applyPerson(ev sessionlog.Event) error {
	var who struct {
		Name string `json:"name"`
	}
	if err := ev.Decode(&who); err != nil {
		return err
	}
	t := c.technicians[who.Name]
	if t == nil {
		return nil // of a log that was cut: it lets nobody in
	}
	switch ev.Kind {
	case TechnicianGranted:
		var b Granted
		if err := ev.Decode(&b); err != nil {
			return err
		}
		t.grant(b.Role, b.Clients)
	case TechnicianDisabled:
		var b Disabled
		if err := ev.Decode(&b); err != nil {
			return err
		}
		t.Disabled, t.Why = true, b.Why
		c.shut(person(t.Name))
		for _, key := range t.Keys {
			c.shut(key.Print)
		}
	case TechnicianEnabled:
		t.Disabled, t.Why = false, ""
	case KeyAdded, KeyRemoved:
		return c.applyKey(t, ev)
	}
	return nil
}

// KeyGone returns a channel that is closed once the SSH key of that fingerprint
// lets nobody in.
func (c *Catalogue) KeyGone(print string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byPrint[print]
	return c.goneLocked(print, t != nil && !t.Disabled)
}

// shut tells those who wait for it that a key, or a person, is let in nowhere. c.mu
// is held.
func (c *Catalogue) shut(what string) {
	if gone := c.gone[what]; gone != nil {
		close(gone)
		delete(c.gone, what)
	}
}

func (c *Catalogue) applyKey(t *Technician, ev sessionlog.Event) error {
	var b Key
	if err := ev.Decode(&b); err != nil {
		return err
	}
	if ev.Kind == KeyAdded {
		t.Keys = append(t.Keys, b)
		c.byPrint[b.Print] = t
		delete(c.takenKeys, b.Print)
		return nil
	}
	t.drop(b.Print)
	delete(c.byPrint, b.Print)
	c.takenKeys[b.Print] = true
	c.shut(b.Print)
	c.shut(person(t.Name)) // a certificate may have been over that key
	return nil
}
