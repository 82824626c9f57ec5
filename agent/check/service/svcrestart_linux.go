package service

import (
	"context"
	"fmt"
)

// restarter is systemd's.
func (m machine) restarter() restarter {
	return restarter{list: m.services, restart: m.restartUnit}
}

// restartUnit has systemd restart the unit and waits for the end of its job.
func (m machine) restartUnit(ctx context.Context, name string) error {
	c, err := m.systemd(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Subscribe(); err != nil {
		return fmt.Errorf("subscribe to systemd's jobs: %w", err)
	}
	name = fullName(name)
	done := make(chan string, 1)
	if _, err := c.RestartUnitContext(ctx, name, "replace", done); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("restart %s: the job ended with %q", name, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("restart %s: %w", name, context.Cause(ctx))
	}
}
