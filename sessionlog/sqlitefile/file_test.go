package sqlitefile

import (
	"testing"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
)

func TestConformance(t *testing.T) {
	d := newDir(t, Config{})
	logtest.Run(t, func(t *testing.T) sessionlog.Log { return create(t, d) })
}

// A queue with room for less than a unit still takes one unit after the other.
func TestConformanceSmallQueue(t *testing.T) {
	d := newDir(t, Config{Queue: 600, Commits: 1})
	logtest.Run(t, func(t *testing.T) sessionlog.Log { return create(t, d) })
}

func newDir(tb testing.TB, cfg Config) *Dir {
	tb.Helper()
	d, err := OpenDir(tb.TempDir(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

func create(tb testing.TB, d *Dir) *File {
	tb.Helper()
	log, err := d.Create(tb.Context(), "acme", sessionlog.NewSessionID())
	if err != nil {
		tb.Fatal(err)
	}
	return log.(*File)
}
