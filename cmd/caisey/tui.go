package main

import (
	"context"
	"errors"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui"
)

// showTUI runs the interface on this terminal until the person quits or ctx
// ends. If id is not empty, it shows that session's replay.
func showTUI(ctx context.Context, b console.Backend, id sessionlog.SessionID) error {
	m := tui.New(tui.Config{Backend: b, Replay: id})
	defer m.Close()
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithoutSignalHandler()).Run()
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, tea.ErrProgramKilled) {
		return fmt.Errorf("show interface: %w", err)
	}
	return nil
}
