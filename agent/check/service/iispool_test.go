//go:build linux || windows

package service

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
)

func TestPools(t *testing.T) {
	config, err := os.ReadFile("testdata/applicationHost.config")
	if err != nil {
		t.Fatal(err)
	}
	read := func(pools ...pool) poolReader {
		return func(context.Context) ([]pool, []byte, error) { return pools, config, nil }
	}
	fine := pool{name: "DefaultAppPool", state: poolRunning, workers: 1}
	other := pool{name: "shop", state: poolRunning, workers: 2}
	checktest.Ask(t, iisPool(read(fine, other, pool{name: "by hand", state: 5}))).Fine(t)

	a := checktest.Ask(t, iisPool(read(fine, pool{name: "shop", state: 5, recent: 5, failures: 9})))
	if f := a.Finding(t, "crit"); f.Text != "the pool shop is disabled: its sites answer 503" {
		t.Errorf("finding %q", f.Text)
	}
	if f := a.Finding(t, "failures"); f.Text != "worker processes of the pool shop failed 5 times lately" {
		t.Errorf("finding %q", f.Text)
	}
	if got := a.Column(t, "", "start"); !slices.Equal(got, []string{"auto", "manual", "auto"}) {
		t.Errorf("starts %v", got)
	}
	a = checktest.Ask(t, iisPool(read(fine)), "pool", "SHOP")
	if f := a.Finding(t, "warn"); f.Text != "the pool shop has no counters: WAS does not run it" {
		t.Errorf("finding %q", f.Text)
	}
	if f := checktest.Ask(t, iisPool(read(fine)), "pool", "none").Finding(t, "crit"); f.Text != "there is no application pool none" {
		t.Errorf("finding %q", f.Text)
	}
	no := func(context.Context) ([]pool, []byte, error) {
		return nil, nil, check.Unknown("this machine has no IIS")
	}
	checktest.Ask(t, iisPool(no)).CannotTell(t)
}
