package verb

import (
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

func TestLogFleet(t *testing.T) {
	w := newWorld(t)
	rec := &record{session: console.Session{ID: console.FleetLog}, grew: make(chan struct{})}
	w.records[console.FleetLog] = rec
	w.append(rec,
		sessionlog.New("technician.disabled", "technician:root", "", map[string]any{"name": "bo", "why": "left the company"}),
		sessionlog.New("endpoint.labelled", "technician:root", "", map[string]any{"set": map[string]string{"role": "db\x1b[2J"}}),
	)
	got := w.say(t, "log fleet")
	lines := strings.Split(got.out, "\n")
	if got.code != 0 || len(lines) != 3 || !strings.Contains(lines[0], `technician:root`) || !strings.Contains(lines[0], `name=bo why="left the company"`) {
		t.Errorf("%+v", got)
	}
	if strings.Contains(got.out, "\x1b") {
		t.Error("a label reached the terminal raw")
	}
	if got := w.say(t, "log fleet --json").out; strings.Count(got, "\n") != 2 || !strings.Contains(got, `"kind":"technician.disabled"`) {
		t.Errorf("--json:\n%s", got)
	}
}
