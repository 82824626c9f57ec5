package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// A terminal is a real tmux pane on a server of its own.
type terminal struct {
	t      testing.TB
	socket string
}

// newTerminal runs a shell command in a new tmux session of the given size.
func newTerminal(t testing.TB, width, height int, command string) *terminal {
	t.Helper()
	needs(t, "tmux", "tmux")
	term := &terminal{t: t, socket: t.TempDir() + "/tmux"}
	term.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), command)
	t.Cleanup(func() {
		_ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() // it ends with its last session
	})
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// keys presses keys, by tmux's names.
func (term *terminal) keys(keys ...string) {
	term.t.Helper()
	term.tmux(append([]string{"send-keys"}, keys...)...)
}

// text types text as it is.
func (term *terminal) text(s string) {
	term.t.Helper()
	term.tmux("send-keys", "-l", s)
}

// screen returns what is to be seen.
func (term *terminal) screen() string {
	term.t.Helper()
	return term.tmux("capture-pane", "-p")
}

// await waits until all of the texts are on the screen.
func (term *terminal) await(what string, texts ...string) string {
	term.t.Helper()
	var screen string
	term.t.Cleanup(func() {
		if term.t.Failed() {
			term.t.Logf("last screen awaited for %s:\n%s", what, screen)
		}
	})
	eventually(term.t, what, func() bool {
		screen = term.screen()
		for _, s := range texts {
			if !strings.Contains(screen, s) {
				return false
			}
		}
		return true
	})
	return screen
}
