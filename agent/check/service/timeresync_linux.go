package service

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A clock is what the machine's time service says of itself.
type clock struct {
	by      string
	source  string
	stratum any
	offset  any // a time.Duration, or nil
	synced  bool
}

// timeResync declares time.resync.
func (m machine) timeResync() check.Check {
	columns := []check.Column{
		{Name: "by", Type: shape.Text},
		{Name: "source", Type: shape.Text},
		{Name: "stratum", Type: shape.Int},
		{Name: "offset", Type: shape.Duration},
		{Name: "synchronised", Type: shape.Bool},
	}
	return check.Check{
		Spec: check.Spec{
			Name:    "time.resync",
			Summary: "has the time service set the clock now",
			Effect:  sessionlog.EffectChange,
			Params: []check.Param{
				{Name: "offset", Summary: "how far the clock may be off afterwards", Type: shape.ADuration, Default: "1s", Threshold: true},
			},
			Tables:  []check.Table{{Name: "before", Columns: columns}, {Name: "after", Columns: columns}},
			Timeout: 60,
			MaxRows: 4,
			Source:  "chronyc -c tracking and makestep; without chrony systemd-timesyncd, restarted over D-Bus, and timedate1",
			Undo:    "a step of the clock cannot be taken back; the service holds the clock at its source from then on",
		},
		Run: check.Fixing(m.clockBefore, m.step, m.clockAfter),
	}
}

func (m machine) clockBefore(ctx context.Context, _ check.Input, out *check.Out) error {
	c, err := m.clock(ctx, out)
	if err == nil {
		out.Row(c.row()...)
	}
	return err
}

func (c clock) row() []any { return []any{c.by, text(c.source), c.stratum, c.offset, c.synced} }

// step makes the step.
func (m machine) step(ctx context.Context, _ check.Input, out *check.Out) error {
	c, err := m.clock(ctx, nil)
	if err != nil {
		return err
	}
	if c.by == "systemd-timesyncd" {
		return m.restartUnit(ctx, "systemd-timesyncd.service")
	}
	_, err = check.Tool(ctx, out, "chronyc", m.chronyc("makestep")...)
	return err
}

func (m machine) clockAfter(ctx context.Context, in check.Input, out *check.Out) error {
	c, err := m.clock(ctx, out)
	if err != nil {
		return err
	}
	rows := []int{out.Row(c.row()...)}
	if !c.synced {
		out.Find(check.Finding{Severity: check.Crit, Table: "after", Rows: rows, Text: c.by + " is not synchronised with any source"})
	}
	if d, ok := c.offset.(time.Duration); ok && d.Abs() > in.Duration("offset") {
		out.Find(check.Finding{
			Severity: check.Crit, Param: "offset", Value: d.Seconds(), Threshold: in.Duration("offset").Seconds(), Unit: "s", Table: "after", Rows: rows,
			Text: fmt.Sprintf("the clock is still %v off, over %v", d.Abs(), in.Duration("offset")),
		})
	}
	return nil
}

func (m machine) chronyc(args ...string) []string {
	if m.chrony != "" {
		args = append([]string{"-h", m.chrony}, args...)
	}
	return append([]string{"-c"}, args...)
}

// clock asks chrony, or else systemd.
func (m machine) clock(ctx context.Context, out *check.Out) (clock, error) {
	text, err := check.Tool(ctx, out, "chronyc", m.chronyc("tracking")...)
	if err == nil {
		return tracking(text)
	}
	c, other := m.timesync(ctx)
	if other != nil {
		return c, check.Unknown("no time service answers: %v; %v", err, other)
	}
	return c, nil
}

// The fields of chronyc -c tracking.
const (
	trackName, trackStratum, trackOffset = 1, 2, 4
	trackLeap, trackFields               = 13, 14
)

// tracking reads what chronyc -c tracking prints.
func tracking(text []byte) (clock, error) {
	f, err := csv.NewReader(bytes.NewReader(text)).Read()
	if err != nil || len(f) < trackFields {
		return clock{}, fmt.Errorf("read chronyc tracking: %w", errors.Join(err, fmt.Errorf("%d fields", len(f))))
	}
	c := clock{by: "chronyd", source: f[trackName], synced: f[trackLeap] != "Not synchronised"}
	if n, err := strconv.Atoi(f[trackStratum]); err == nil {
		c.stratum = n
	}
	if s, err := strconv.ParseFloat(f[trackOffset], 64); err == nil {
		c.offset = time.Duration(s * float64(time.Second))
	}
	return c, nil
}

// timesync asks systemd whether its own time service runs and is synchronised.
func (m machine) timesync(ctx context.Context) (clock, error) {
	sd, err := m.systemd(ctx)
	if err != nil {
		return clock{}, err
	}
	defer sd.Close()
	p, err := unitFacts(ctx, sd, "systemd-timesyncd.service")
	if err != nil {
		return clock{}, err
	}
	if s := stateOf("systemd-timesyncd.service", p); s.state != "running" {
		return clock{}, check.Unknown("systemd-timesyncd is %s", s.state)
	}
	bus, err := m.systemBus(ctx)
	if err != nil {
		return clock{}, err
	}
	defer bus.Close()
	v, err := bus.Object("org.freedesktop.timedate1", "/org/freedesktop/timedate1").GetProperty("org.freedesktop.timedate1.NTPSynchronized")
	if err != nil {
		return clock{}, fmt.Errorf("ask timedate1: %w", err)
	}
	synced, _ := v.Value().(bool)
	return clock{by: "systemd-timesyncd", synced: synced}, nil
}
