package fleet

import (
	"context"

	"github.com/caisey/caisey/sessionlog"
)

// RecordViewed says that a person looks at a record that is not their own live
// session. Its body is Viewed.
const RecordViewed sessionlog.Kind = "record.viewed"

// Viewed is the body of RecordViewed.
type Viewed struct {
	Session sessionlog.SessionID `json:"session"`
	Client  string               `json:"client"`
	Key     string               `json:"key"` // fingerprint of the proved SSH key
}

// View records that by looks at a record.
func (c *Catalogue) View(ctx context.Context, by sessionlog.Actor, v Viewed) error {
	_, err := c.change(ctx, func() (sessionlog.Event, error) {
		return sessionlog.New(RecordViewed, by, "", v), nil
	})
	return err
}
