package fleet

import (
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
)

// A removal is recorded once, and known after a restart.
func TestRemoveIsRecordedOnce(t *testing.T) {
	log := logtest.NewMemory()
	c := open(t, log, Config{})
	gone, there := sessionlog.NewSessionID(), sessionlog.NewSessionID()
	r := Removed{Session: gone, Client: "acme", Name: "db01", Technician: "ana", Closed: time.Now(), Events: 7, Keep: 60}
	for range 2 {
		if err := c.Remove(t.Context(), sessionlog.Relay, r); err != nil {
			t.Fatal(err)
		}
		if head := log.Head(); head.Seq != 1 {
			t.Errorf("the log has %d events, want 1", head.Seq)
		}
		c = open(t, log, Config{})
		if !c.Removed(gone) || c.Removed(there) {
			t.Errorf("removed: %t, and what is not: %t", c.Removed(gone), c.Removed(there))
		}
	}
}
