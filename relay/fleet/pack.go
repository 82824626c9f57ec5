package fleet

import (
	"cmp"
	"context"
	"slices"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// PackSaved says that a pack has a new text. Its body is Saved.
const PackSaved sessionlog.Kind = "pack.saved"

// Saved is the body of PackSaved.
type Saved struct {
	Name   string `json:"name"`
	Client string `json:"client,omitempty"` // empty: for every client
	Text   string `json:"text"`             // empty: there is none any more
}

// A shelf names a pack.
type shelf struct{ client, name string }

// SavePack gives a pack a text. Whoever calls it has checked that it is one. by is who
// asked.
func (c *Catalogue) SavePack(ctx context.Context, by sessionlog.Actor, s Saved) (sessionlog.Seq, error) {
	return c.change(ctx, func() (sessionlog.Event, error) {
		if _, ok := c.Pack(s.Client, s.Name); !ok && s.Text == "" {
			return sessionlog.Event{}, console.Errorf(console.CodeNotFound, "see `pack ls`", "there is no pack %q", s.Name)
		}
		return sessionlog.New(PackSaved, by, "", s), nil
	})
}

// Packs returns all packs, those for every client first, by client and name.
func (c *Catalogue) Packs() []console.Pack {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]console.Pack, 0, len(c.packs))
	for _, p := range c.packs {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b console.Pack) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Pack returns the pack of that name that is a client's own, or with an empty client the
// one for all.
func (c *Catalogue) Pack(client, name string) (console.Pack, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.packs[shelf{client, name}]
	return p, ok
}

// applyPack runs with c.mu held.
func (c *Catalogue) applyPack(ev sessionlog.Event) error {
	var b Saved
	if err := ev.Decode(&b); err != nil {
		return err
	}
	if b.Text == "" {
		delete(c.packs, shelf{b.Client, b.Name})
		return nil
	}
	c.packs[shelf{b.Client, b.Name}] = console.Pack{Name: b.Name, Client: b.Client, Text: b.Text, By: ev.Actor.Name(), At: ev.Time}
	return nil
}
