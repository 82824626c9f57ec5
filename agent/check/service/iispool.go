//go:build linux || windows

package service

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A pool is an application pool of IIS as its counters have it.
type pool struct {
	name            string
	state           int // 1 to 7
	workers, recent int
	failures        int
}

// A poolReader returns what the counters of WAS say, and applicationHost.config, which
// may be empty.
type poolReader func(ctx context.Context) (pools []pool, config []byte, err error)

// poolStates are the states of the counter "Current Application Pool State".
var poolStates = []string{"", "uninitialized", "initialized", "running", "disabling", "disabled", "shutdown pending", "delete pending"}

const poolRunning = 3

// iisPool declares iis.pool.
func iisPool(read poolReader) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "iis.pool",
			Summary: "application pools of IIS and their failures",
			Effect:  sessionlog.EffectRead,
			Roles:   []string{"web", "app"},
			Params: []check.Param{
				{Name: "pool", Summary: "this pool only", Type: shape.AText, Complete: "iis.pool:pool"},
				{Name: "failures", Summary: "recent failures of worker processes that are too many", Type: shape.AnInt, Default: "1", Min: 1, Max: 1000, Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "pool", Type: shape.Text},
				{Name: "state", Type: shape.Text},
				{Name: "start", Type: shape.Text},
				{Name: "workers", Type: shape.Int},
				{Name: "recent_failures", Type: shape.Int},
				{Name: "failures", Type: shape.Int},
			}}},
			Timeout: 20,
			MaxRows: 1000,
			Source:  "the counters APP_POOL_WAS through PDH by their English names, and applicationHost.config for how a pool starts",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			pools, config, err := read(ctx)
			if err != nil {
				return err
			}
			pools = withUncounted(pools, config)
			slices.SortFunc(pools, func(a, b pool) int { return cmp.Compare(a.name, b.name) })
			starts := poolStarts(config)
			found := false
			for _, p := range pools {
				if !in.Has("pool") || strings.EqualFold(in.Text("pool"), p.name) {
					found = true
					p.tell(out, starts[p.name], in.Int("failures"))
				}
			}
			if in.Has("pool") && !found {
				out.Find(check.Finding{Severity: check.Crit, Text: "there is no application pool " + in.Text("pool")})
			}
			return nil
		},
	}
}

func (p pool) tell(out *check.Out, start string, most int) {
	state, sev, so := "not counted", check.Warn, "has no counters: WAS does not run it"
	if p.state > 0 && p.state < len(poolStates) {
		state, sev = poolStates[p.state], check.Crit
		so = "is " + state + ": its sites answer 503"
	}
	row := []int{out.Row(p.name, state, text(start), p.workers, p.recent, p.failures)}
	out.Raw(fmt.Appendf(nil, "%+v\n", p))
	if p.state != poolRunning && start != "manual" {
		out.Find(check.Finding{Severity: sev, Value: state, Rows: row, Text: fmt.Sprintf("the pool %s %s", p.name, so)})
	}
	if p.recent >= most {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "failures", Value: p.recent, Threshold: most, Rows: row,
			Text: fmt.Sprintf("worker processes of the pool %s failed %d times lately", p.name, p.recent),
		})
	}
}

// A hostConfig is what is read of applicationHost.config.
type hostConfig struct {
	Pools []struct {
		Name      string `xml:"name,attr"`
		AutoStart string `xml:"autoStart,attr"`
	} `xml:"system.applicationHost>applicationPools>add"`
}

// poolStarts returns by pool whether it starts by itself.
func poolStarts(config []byte) map[string]string {
	var c hostConfig
	starts := map[string]string{}
	if xml.Unmarshal(config, &c) != nil {
		return starts
	}
	for _, p := range c.Pools {
		starts[p.Name] = "auto"
		if strings.EqualFold(p.AutoStart, "false") {
			starts[p.Name] = "manual"
		}
	}
	return starts
}

// withUncounted adds pools that are configured and have no counters.
func withUncounted(pools []pool, config []byte) []pool {
	for name := range poolStarts(config) {
		if !slices.ContainsFunc(pools, func(p pool) bool { return p.name == name }) {
			pools = append(pools, pool{name: name})
		}
	}
	return pools
}
