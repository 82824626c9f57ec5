package network

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/beevik/ntp"
	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// skew declares time.skew.
func skew() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "time.skew",
			Summary: "how far this machine's clock is from those of others",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "peers", Summary: "NTP servers and domain controllers, HOST or HOST:PORT; those of chrony if none is named", Type: shape.AList, Complete: "dns.adsrv:target"},
				{Name: "timeout", Summary: "how long to wait for an answer", Type: shape.ADuration, Default: "3s", Max: 30},
				{Name: "warn", Summary: "how far the clock may be off", Type: shape.ADuration, Default: "1s", Threshold: true},
				{Name: "crit", Summary: "how far it may be off before Kerberos refuses", Type: shape.ADuration, Default: "5m", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "peer", Type: shape.Text},
				{Name: "offset", Type: shape.Duration}, // what to add to this clock
				{Name: "rtt", Type: shape.Duration},
				{Name: "stratum", Type: shape.Int},
				{Name: "source", Type: shape.Text},
				{Name: "reason", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 100,
			Source:  "one NTP question to each peer; chronyc -c tracking and sources where chrony is",
		},
		Run: runSkew,
	}
}

func runSkew(ctx context.Context, in check.Input, out *check.Out) error {
	peers := in.List("peers")
	track, err := tracking(ctx, out)
	if err != nil && len(peers) == 0 {
		return check.Unknown("no peer is named, and %v: name some with peers=", err)
	}
	if err == nil {
		row := out.Row("chronyd", seconds(track.offset), nil, track.stratum, text(track.source), nil)
		if track.leap == "Not synchronised" {
			out.Find(check.Finding{Severity: check.Warn, Value: track.leap, Rows: []int{row}, Text: "chronyd of this machine is not synchronised"})
		} else {
			out.Edge(check.Edge{Kind: shape.SyncsTime, To: track.source, Row: row})
		}
		if len(peers) == 0 {
			peers = chronySources(ctx, out)
		}
	}
	readings := make([]reading, min(len(peers), maxServers))
	var wg sync.WaitGroup
	for i, p := range peers[:len(readings)] {
		wg.Go(func() { readings[i] = readClock(ctx, p, in.Duration("timeout")) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, r := range readings {
		r.tell(in, out)
	}
	return nil
}

// A reading is what one peer's clock said.
type reading struct {
	peer string
	resp *ntp.Response
	err  error
}

// readClock asks one peer. It ends with ctx.
func readClock(ctx context.Context, peer string, wait time.Duration) reading {
	done := make(chan reading, 1)
	go func() { // ends after wait: the library knows no context
		resp, err := ntp.QueryWithOptions(peer, ntp.QueryOptions{Timeout: wait})
		done <- reading{peer, resp, err}
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
		return reading{peer: peer, err: context.Cause(ctx)}
	}
}

func (r reading) tell(in check.Input, out *check.Out) {
	if r.err != nil {
		row := out.Row(r.peer, nil, nil, nil, nil, reason(r.err))
		out.Find(check.Finding{Severity: check.Warn, Rows: []int{row}, Text: fmt.Sprintf("%s does not tell the time: %s", r.peer, reason(r.err))})
		return
	}
	var why any
	source := r.resp.ReferenceString()
	if err := r.resp.Validate(); err != nil {
		why = err.Error()
	}
	row := out.Row(r.peer, r.resp.ClockOffset, r.resp.RTT, int(r.resp.Stratum), text(source), why)
	if r.resp.KissCode != "" || r.resp.Leap == ntp.LeapNotInSync || r.resp.Stratum == 0 || r.resp.Stratum >= 16 {
		out.Find(check.Finding{Severity: check.Warn, Rows: []int{row}, Text: fmt.Sprintf("%s has no time itself: stratum %d, %s", r.peer, r.resp.Stratum, source)})
	}
	off := math.Abs(r.resp.ClockOffset.Seconds())
	f := check.Finding{Value: off, Unit: "s", Rows: []int{row}}
	switch {
	case off > in.Duration("crit").Seconds():
		f.Severity, f.Param = check.Crit, "crit"
	case off > in.Duration("warn").Seconds():
		f.Severity, f.Param = check.Warn, "warn"
	default:
		return
	}
	side := "behind"
	if r.resp.ClockOffset < 0 {
		side = "ahead of"
	}
	f.Threshold = in.Duration(f.Param).Seconds()
	f.Text = fmt.Sprintf("this clock is %s %s that of %s, over %v", strconv.FormatFloat(off, 'f', 1, 64)+" s", side, r.peer, in.Duration(f.Param))
	out.Find(f)
}

// A track is what chrony says of this machine's clock.
type track struct {
	source, leap string
	stratum      any
	offset       string
}

func tracking(ctx context.Context, out *check.Out) (track, error) {
	b, err := check.Tool(ctx, out, "chronyc", "-c", "tracking")
	if err != nil {
		return track{}, err
	}
	return parseTracking(b)
}

func parseTracking(b []byte) (track, error) {
	const name, stratum, offset, leap, fields = 1, 2, 4, 13, 14
	f, err := csv.NewReader(bytes.NewReader(b)).Read()
	if err != nil || len(f) < fields {
		return track{}, fmt.Errorf("read chronyc tracking: %d fields", len(f))
	}
	t := track{source: f[name], leap: f[leap], offset: f[offset]}
	if n, err := strconv.Atoi(f[stratum]); err == nil {
		t.stratum = n
	}
	return t, nil
}

// chronySources returns the servers that chrony asks.
func chronySources(ctx context.Context, out *check.Out) []string {
	b, err := check.Tool(ctx, out, "chronyc", "-n", "-c", "sources")
	if err != nil {
		return nil
	}
	return parseSources(b)
}

func parseSources(b []byte) (list []string) {
	r := csv.NewReader(bytes.NewReader(b))
	r.FieldsPerRecord = -1
	all, err := r.ReadAll()
	if err != nil {
		return nil
	}
	for _, f := range all {
		if len(f) > 2 && f[0] == "^" { // a server; = is a peer and # a clock of its own
			list = append(list, f[2])
		}
	}
	return list
}

// seconds reads a number of seconds as a cell.
func seconds(s string) any {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return time.Duration(n * float64(time.Second))
}
