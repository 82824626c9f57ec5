package sshd

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui"
)

// A modelFunc makes the interface's model for one session. If it has a method
// Close, that is called once the program has ended.
type modelFunc func(tui.Config) tea.Model

func newModel(cfg tui.Config) tea.Model { return tui.New(cfg) }

// look returns the interface's configuration for a client with that environment.
func look(b console.Backend, open, env []string) tui.Config {
	cfg := tui.Config{Backend: b, Open: open}
	locale := map[string]string{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		locale[name] = value
		cfg.NoColor = cfg.NoColor || name == "NO_COLOR" && value != ""
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(locale[name]); v != "" {
			cfg.ASCII = !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
			break
		}
	}
	return cfg
}
