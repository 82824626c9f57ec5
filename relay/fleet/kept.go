package fleet

import (
	"context"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// RecordRemoved says that the record of a sealed session was kept for long enough,
// and is removed. Its body is Removed.
const RecordRemoved sessionlog.Kind = "record.removed"

// Removed is the body of RecordRemoved: what the record was. Whoever still has a
// copy can prove by the checkpoint that it is one.
type Removed struct {
	Session    sessionlog.SessionID  `json:"session"`
	Client     string                `json:"client"`
	Endpoint   sessionlog.EndpointID `json:"endpoint"`
	Name       string                `json:"name"` // of the endpoint
	Technician string                `json:"technician"`
	Opened     time.Time             `json:"opened"`
	Closed     time.Time             `json:"closed"`
	Events     sessionlog.Seq        `json:"events"`
	// Checkpoint is the newest signed checkpoint of the record; empty if it had none,
	// or if Unread says why it could not be read.
	Checkpoint string `json:"checkpoint,omitempty"`
	Unread     string `json:"unread,omitempty"`
	// Keep is for how many seconds the client's records are kept.
	Keep float64 `json:"keep"`
}

// Remove records that a session's record is removed. It does so before that is, and
// once: a session of which it is recorded already changes nothing.
func (c *Catalogue) Remove(ctx context.Context, by sessionlog.Actor, r Removed) error {
	if c.Removed(r.Session) {
		return nil
	}
	_, err := c.change(ctx, func() (sessionlog.Event, error) {
		return sessionlog.New(RecordRemoved, by, "", r), nil
	})
	return err
}

// Removed reports whether the removal of a session's record is recorded.
func (c *Catalogue) Removed(id sessionlog.SessionID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.removed[id]
}

// applyRemoved runs with c.mu held.
func (c *Catalogue) applyRemoved(ev sessionlog.Event) error {
	var r Removed
	if err := ev.Decode(&r); err != nil {
		return err
	}
	c.removed[r.Session] = true
	return nil
}
