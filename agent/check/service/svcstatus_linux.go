package service

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	sdbus "github.com/coreos/go-systemd/v22/dbus"
)

// Where the facts about services come from, in one line.
const (
	servicesSource = "systemd over D-Bus: the properties of its units"
	failuresSource = "systemd over D-Bus: units in the state failed; restarts from the journal, by their message ID"
)

// services is the lister of systemd.
func (m machine) services(ctx context.Context, out *check.Out, names []string) ([]state, error) {
	c, err := m.systemd(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	units, err := unitNames(ctx, c, names)
	if err != nil {
		return nil, err
	}
	all := make([]state, 0, len(units))
	for _, name := range units {
		p, err := unitFacts(ctx, c, name)
		if err != nil {
			return all, err
		}
		all = append(all, stateOf(name, p))
		rawUnit(out, p)
	}
	return all, nil
}

// unitNames returns the full names of those units, or of all services.
func unitNames(ctx context.Context, c *sdbus.Conn, names []string) ([]string, error) {
	if len(names) > 0 {
		full := make([]string, len(names))
		for i, n := range names {
			full[i] = fullName(n)
		}
		return full, nil
	}
	units, err := c.ListUnitsByPatternsContext(ctx, nil, []string{"*.service"})
	if err != nil {
		return nil, fmt.Errorf("list units: %w", err)
	}
	for _, u := range units {
		if u.LoadState != "not-found" {
			names = append(names, u.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// fullName adds .service to a name that has no type.
func fullName(name string) string {
	for _, kind := range []string{"service", "timer", "socket", "mount", "target", "path", "slice", "scope", "automount", "swap", "device"} {
		if strings.HasSuffix(name, "."+kind) {
			return name
		}
	}
	return name + ".service"
}

// unitFacts returns the properties of a unit, and those of its type if it ever ran or
// should have. One question for all properties would have systemd read control groups.
func unitFacts(ctx context.Context, c *sdbus.Conn, name string) (map[string]any, error) {
	p, err := c.GetUnitPropertiesContext(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read unit %s: %w", name, err)
	}
	kind := name[strings.LastIndexByte(name, '.')+1:]
	never := kind == "service" && num(p, "StateChangeTimestamp") == 0 && startOf(p) != "auto"
	if str(p, "LoadState") != "loaded" || never || (kind != "service" && kind != "timer" && kind != "mount" && kind != "socket") {
		return p, nil
	}
	more, err := c.GetUnitTypePropertiesContext(ctx, name, strings.ToUpper(kind[:1])+kind[1:])
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, name, err)
	}
	maps.Copy(p, more)
	return p, nil
}

// stateOf makes a state of the properties of a unit.
func stateOf(name string, p map[string]any) state {
	s := state{
		name: name, display: str(p, "Description"), start: startOf(p),
		detail: str(p, "ActiveState") + " (" + str(p, "SubState") + ")",
		pid:    int(num(p, "MainPID")), user: str(p, "User"), result: str(p, "Result"),
		since: usec(num(p, "StateChangeTimestamp")),
	}
	if _, ok := p["NRestarts"]; ok {
		n := num(p, "NRestarts")
		s.restarts = &n
	}
	if num(p, "ExecMainExitTimestamp") != 0 {
		n := num(p, "ExecMainStatus")
		s.exit = &n
	}
	if s.user == "" && s.pid != 0 {
		s.user = "root"
	}
	condition, _ := p["ConditionResult"].(bool)
	triggered, _ := p["TriggeredBy"].([]string)
	s.rests = str(p, "Type") == "oneshot" || len(triggered) > 0 ||
		num(p, "ConditionTimestamp") != 0 && !condition
	s.state = wordOf(p)
	return s
}

// wordOf returns the state in the word that all systems share.
func wordOf(p map[string]any) string {
	switch active := str(p, "ActiveState"); {
	case str(p, "LoadState") == "not-found":
		return "missing"
	case str(p, "SubState") == "auto-restart":
		return "restarting"
	case active == "active" || active == "reloading":
		return "running"
	case active == "activating":
		return "starting"
	case active == "deactivating":
		return "stopping"
	case active == "failed":
		return "failed"
	}
	return "stopped"
}

func startOf(p map[string]any) string {
	switch s := str(p, "UnitFileState"); s {
	case "enabled", "enabled-runtime":
		return "auto"
	case "disabled", "indirect":
		return "manual"
	case "masked", "masked-runtime":
		return "masked"
	default:
		return s
	}
}

// rawUnit tells the properties from which a row was made.
func rawUnit(out *check.Out, p map[string]any) {
	if out == nil {
		return
	}
	keep := map[string]any{}
	for _, k := range []string{
		"Id", "Description", "LoadState", "ActiveState", "SubState", "UnitFileState", "Type", "MainPID", "User", "Result",
		"NRestarts", "ExecMainStatus", "ExecMainExitTimestamp", "StateChangeTimestamp", "ConditionResult", "TriggeredBy",
	} {
		if v, ok := p[k]; ok {
			keep[k] = v
		}
	}
	if b, err := json.Marshal(keep); err == nil {
		out.Raw(append(b, '\n'))
	}
}

func str(p map[string]any, key string) string {
	s, _ := p[key].(string)
	return s
}

// num returns the whole number that a property is; 0 if it is none.
func num(p map[string]any, key string) int64 {
	switch n := p[key].(type) {
	case uint64:
		return int64(n) // -1 is systemd's "never"
	case int64:
		return n
	case uint32:
		return int64(n)
	case int32:
		return int64(n)
	}
	return 0
}

// usec returns the time of systemd's microseconds; zero if it has none.
func usec(n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return time.UnixMicro(n)
}
