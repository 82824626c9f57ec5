package sqlitefile

import (
	"context"
	"errors"
	"fmt"
)

// Checkpoint returns the newest signed checkpoint of the record; "" if it has none.
func (f *File) Checkpoint(ctx context.Context) (note string, err error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	c, err := openConn(f.path, "ro", false)
	if err != nil {
		return "", fmt.Errorf("read checkpoint of record %s: %w", f.path, err)
	}
	vals, err := c.row("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")
	if err := errors.Join(err, c.close()); err != nil {
		return "", fmt.Errorf("read checkpoint of record %s: %w", f.path, err)
	}
	if len(vals) == 1 {
		note, _ = vals[0].(string)
	}
	return note, nil
}
