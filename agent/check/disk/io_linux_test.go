package disk

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	"github.com/prometheus/procfs/blockdevice"
)

// TestIO writes to a disk while it is watched: what comes of it has to be in the rates.
func TestIO(t *testing.T) {
	mnt := mountLoop(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		f, err := os.OpenFile(filepath.Join(mnt, "busy"), os.O_CREATE|os.O_WRONLY|os.O_SYNC, 0o600)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	a := checktest.Ask(t, diskIO(system{}), "volume", mnt, "sample", "500ms", "warn", "0", "crit", "100000", "few", "1")
	close(stop)
	<-stopped
	if !slices.ContainsFunc(a.Findings, func(f check.Finding) bool {
		return f.Param == "warn" && strings.HasPrefix(f.Text, mnt+" takes ") && strings.Contains(f.Text, "for writes") && len(f.Rows) == 1
	}) {
		t.Errorf("%+v", a.Findings)
	}
	if w := a.Column(t, "", "writes"); len(w) != 1 || w[0] == "0" {
		t.Errorf("writes %v", w)
	}
	quiet := checktest.Ask(t, diskIO(system{}), "volume", mnt, "sample", "10ms", "warn", "100000", "crit", "100000")
	quiet.Fine(t)
}

func TestIOCannotTell(t *testing.T) {
	checktest.Ask(t, diskIO(system{}), "volume", "/no/such", "sample", "1ms").CannotTell(t)
	checktest.Ask(t, diskIO(system{proc: t.TempDir()}), "sample", "1ms").CannotTell(t)
}

func TestRates(t *testing.T) {
	a := blockdevice.IOStats{ReadIOs: 10, ReadTicks: 100, WriteIOs: 7, WeightedIOTicks: 50, IOsTotalTicks: 1000}
	b := blockdevice.IOStats{ReadIOs: 30, ReadTicks: 700, WriteIOs: 7, WeightedIOTicks: 4050, IOsTotalTicks: 2000}
	r := rates(a, b, 2*time.Second)
	if r.reads != 10 || *r.read != 30 || r.write != nil || r.queue != 2 || r.busy != 50 || r.did != 20 {
		t.Errorf("%+v", r)
	}
	if r := rates(b, a, time.Second); r.did != 0 || r.busy != 0 {
		t.Errorf("a device that was there anew: %+v", r)
	}
}
