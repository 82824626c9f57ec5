package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/godbus/dbus/v5"
)

// dnsFlush declares dns.flush.
func (m machine) dnsFlush() check.Check {
	columns := []check.Column{
		{Name: "by", Type: shape.Text},
		{Name: "entries", Type: shape.Int},
		{Name: "hits", Type: shape.Int},
		{Name: "misses", Type: shape.Int},
	}
	return check.Check{
		Spec: check.Spec{
			Name:    "dns.flush",
			Summary: "empties the machine's own cache of names",
			Effect:  sessionlog.EffectChange,
			Tables:  []check.Table{{Name: "before", Columns: columns}, {Name: "after", Columns: columns}},
			Timeout: 20,
			MaxRows: 4,
			Source:  "systemd-resolved over D-Bus: FlushCaches and CacheStatistics of resolve1",
			Undo:    "nothing to take back: the cache fills again by itself, and names are asked for until then",
		},
		Run: check.Fixing(m.cacheBefore, m.flush, m.cacheAfter),
	}
}

// A cache is what systemd-resolved says of its cache.
type cache struct{ Entries, Hits, Misses uint64 }

func (m machine) cacheBefore(ctx context.Context, _ check.Input, out *check.Out) error {
	_, _, err := m.cache(ctx, out)
	return err
}

func (m machine) flush(ctx context.Context, _ check.Input, _ *check.Out) error {
	return m.resolve1(ctx, func(o dbus.BusObject) error {
		return o.CallWithContext(ctx, "org.freedesktop.resolve1.Manager.FlushCaches", dbus.FlagNoAutoStart).Err
	})
}

// leftEntries is how many entries may be in the cache just after it was emptied: other
// programs go on asking.
const leftEntries = 20

func (m machine) cacheAfter(ctx context.Context, _ check.Input, out *check.Out) error {
	c, row, err := m.cache(ctx, out)
	if err == nil && c.Entries > leftEntries {
		out.Find(check.Finding{
			Severity: check.Warn, Value: c.Entries, Threshold: leftEntries, Table: "after", Rows: []int{row},
			Text: fmt.Sprintf("the cache still has %d entries", c.Entries),
		})
	}
	return err
}

// cache tells the cache's row.
func (m machine) cache(ctx context.Context, out *check.Out) (c cache, row int, err error) {
	err = m.resolve1(ctx, func(o dbus.BusObject) error {
		var v dbus.Variant
		call := o.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, "org.freedesktop.resolve1.Manager", "CacheStatistics")
		if err := call.Store(&v); err != nil {
			return err
		}
		return v.Store(&c)
	})
	if err != nil {
		return c, -1, err
	}
	out.Raw(fmt.Appendf(nil, "CacheStatistics (ttt) %d %d %d\n", c.Entries, c.Hits, c.Misses))
	return c, out.Row("systemd-resolved", c.Entries, c.Hits, c.Misses), nil
}

// resolve1 calls do with systemd-resolved's manager.
func (m machine) resolve1(ctx context.Context, do func(dbus.BusObject) error) error {
	bus, err := m.systemBus(ctx)
	if err != nil {
		return err
	}
	defer bus.Close()
	err = do(bus.Object("org.freedesktop.resolve1", "/org/freedesktop/resolve1"))
	var failed dbus.Error
	if errors.As(err, &failed) && (failed.Name == "org.freedesktop.DBus.Error.ServiceUnknown" || failed.Name == "org.freedesktop.DBus.Error.NameHasNoOwner") {
		return check.Unknown("systemd-resolved does not run: this machine has no cache of names that can be asked")
	}
	if err != nil {
		return fmt.Errorf("ask systemd-resolved: %w", err)
	}
	return nil
}
