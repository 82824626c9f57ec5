package network

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	psnet "github.com/shirou/gopsutil/v4/net"
)

// interfaces declares net.if.
func interfaces() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "net.if",
			Summary: "network interfaces, their addresses, gateways and errors",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "sample", Summary: "how long to watch for errors", Type: shape.ADuration, Default: "1s", Max: 30},
				{Name: "errors", Summary: "new errors and drops in the sample that are too many", Type: shape.AnInt, Default: "0", Threshold: true},
				{Name: "speed", Summary: "speed of a wired link that is enough", Type: shape.AnInt, Default: "1000", Unit: "Mb/s", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "name", Type: shape.Text},
				{Name: "up", Type: shape.Bool},
				{Name: "addrs", Type: shape.Text},
				{Name: "gw", Type: shape.Text},
				{Name: "dns", Type: shape.Text},
				{Name: "mtu", Type: shape.Int},
				{Name: "speed", Type: shape.Int, Unit: "Mb/s"},
				{Name: "errors", Type: shape.Int},
				{Name: "drops", Type: shape.Int},
				{Name: "new", Type: shape.Int}, // errors and drops in the sample
			}}},
			Timeout: 40,
			Samples: 1,
			MaxRows: 500,
			Source:  "netlink addresses, procfs net/dev and net/route and resolv.conf on Linux; iphlpapi on Windows",
		},
		Run: runInterfaces,
	}
}

// A wire is what the system says of an interface beyond its addresses.
type wire struct {
	gateways, dns []string
	speed         any  // in Mb/s; nil if it is not known
	real          bool // hardware, and not made by software
}

func runInterfaces(ctx context.Context, in check.Input, out *check.Out) error {
	before, err := counters(ctx)
	if err != nil {
		return err
	}
	watched := time.NewTimer(in.Duration("sample"))
	defer watched.Stop()
	select {
	case <-watched.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	after, err := counters(ctx)
	if err != nil {
		return err
	}
	all, err := psnet.InterfacesWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read interfaces: %w", err)
	}
	wires, known, err := wiring(out)
	if err != nil {
		return err
	}
	gateway := false
	for _, i := range all {
		tellInterface(i, wires[i.Name], before[i.Name], after[i.Name], in, out)
		gateway = gateway || len(wires[i.Name].gateways) > 0
	}
	if known && !gateway {
		out.Find(check.Finding{Severity: check.Warn, Text: "no interface has a default gateway"})
	}
	return nil
}

func counters(ctx context.Context) (map[string]psnet.IOCountersStat, error) {
	all, err := psnet.IOCountersWithContext(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("read counters of interfaces: %w", err)
	}
	by := map[string]psnet.IOCountersStat{}
	for _, c := range all {
		by[c.Name] = c
	}
	return by, nil
}

func tellInterface(i psnet.InterfaceStat, w wire, before, after psnet.IOCountersStat, in check.Input, out *check.Out) {
	addrs := make([]string, 0, len(i.Addrs))
	for _, a := range i.Addrs {
		addrs = append(addrs, a.Addr)
	}
	up := slices.Contains(i.Flags, "up")
	errs, drops := after.Errin+after.Errout, after.Dropin+after.Dropout
	fresh := int64(errs+drops) - int64(before.Errin+before.Errout+before.Dropin+before.Dropout)
	row := out.Row(i.Name, up, text(strings.Join(addrs, " ")), text(strings.Join(w.gateways, " ")), text(strings.Join(w.dns, " ")), i.MTU, w.speed, errs, drops, fresh)
	if fresh > int64(in.Int("errors")) {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "errors", Value: fresh, Threshold: in.Int("errors"), Rows: []int{row},
			Text: fmt.Sprintf("%s lost %d packets to errors and drops within %v", i.Name, fresh, in.Duration("sample")),
		})
	}
	if speed, ok := w.speed.(int); ok && up && w.real && speed < in.Int("speed") {
		out.Find(check.Finding{
			Severity: check.Info, Param: "speed", Value: speed, Threshold: in.Int("speed"), Rows: []int{row},
			Text: fmt.Sprintf("the link of %s has %d Mb/s, under %d Mb/s", i.Name, speed, in.Int("speed")),
		})
	}
}
