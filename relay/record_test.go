package relay

import (
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
)

// fullDisk is a disk with little space left.
type fullDisk struct {
	Records
	free int64
}

func (d fullDisk) Free() (int64, error) { return d.free, nil }

// A disk that runs full takes no new steps, and says so.
func TestNoRoom(t *testing.T) {
	w := newWorld(t, Config{})
	db := w.enroll("acme", "db01")
	ana := w.technician("ana", console.RoleTechnician)
	id := w.open(ana, db)
	run := func() error {
		_, err := ana.Do(t.Context(), console.Run{Session: id, Step: sessionlog.NewStepID(), Command: "true"})
		return err
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	records := w.relay.cfg.Records
	w.relay.cfg.Records = fullDisk{records, 100 << 20}
	if err := run(); codeOf(err) != console.CodeFailed || !strings.Contains(err.Error(), "100 MiB left") {
		t.Errorf("on a full disk: %v", err)
	}
	w.relay.cfg.Records = fullDisk{records, 300 << 20}
	if err := run(); err != nil {
		t.Errorf("once there is space: %v", err)
	}
}

// Who looks at the record of somebody else is recorded, once a console, and
// before they see anything.
func TestViewIsRecorded(t *testing.T) {
	w := newWorld(t, Config{})
	db := w.enroll("acme", "db01")
	ana, bo := w.technician("ana", console.RoleTechnician), w.technician("bo", console.RoleViewer)
	id := w.open(ana, db)
	for _, b := range []console.Backend{ana, bo, bo} {
		feed, err := b.Watch(t.Context(), id, 1)
		if err != nil {
			t.Fatal(err)
		}
		feed.Close()
	}
	var viewed []string
	err := sessionlog.Replay(t.Context(), w.log, func(ev sessionlog.Event) error {
		var v fleet.Viewed
		if ev.Kind == fleet.RecordViewed && ev.Decode(&v) == nil && v.Session == id {
			viewed = append(viewed, ev.Actor.Name())
		}
		return nil
	})
	if err != nil || len(viewed) != 1 || viewed[0] != "bo" {
		t.Errorf("viewed by %v, %v", viewed, err)
	}
}
