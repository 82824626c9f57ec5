package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// route declares net.path.
func route() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "net.path",
			Summary: "the hops to a host, what is lost on the way, and how large a packet may be",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "host", Summary: "the host, over IPv4", Type: shape.AHost, Required: true, Complete: "net.conns:peer"},
				{Name: "count", Summary: "packets to each hop", Type: shape.AnInt, Default: "3", Min: 1, Max: 50},
				{Name: "hops", Summary: "the most hops", Type: shape.AnInt, Default: "20", Min: 1, Max: 64},
				{Name: "timeout", Summary: "how long to wait for an answer", Type: shape.ADuration, Default: "1s", Max: 10},
				{Name: "loss", Summary: "loss at the host that is too much", Type: shape.ANumber, Default: "5", Max: 100, Unit: "%", Threshold: true},
			},
			Tables: []check.Table{
				{Name: "hops", Columns: []check.Column{
					{Name: "hop", Type: shape.Int},
					{Name: "ip", Type: shape.Text},
					{Name: "loss", Type: shape.Percent},
					{Name: "ms", Type: shape.Number, Unit: "ms"},
				}},
				{Name: "mtu", Columns: []check.Column{
					{Name: "size", Type: shape.Bytes}, // of the whole IPv4 packet
					{Name: "result", Type: shape.Text},
					{Name: "said_by", Type: shape.Text},
					{Name: "path_mtu", Type: shape.Bytes}, // known once it is
				}},
			},
			Timeout: 120,
			MaxRows: 64,
			Source:  "ICMP echo requests with a growing time to live, then with don't-fragment and a size; IPv4 alone",
		},
		Run: runRoute,
	}
}

func runRoute(ctx context.Context, in check.Input, out *check.Out) error {
	ip, err := address4(ctx, in.Text("host"))
	if err != nil {
		return check.Unknown("%s has no IPv4 address: %v", in.Text("host"), err)
	}
	e, err := newEcho(ip)
	if err != nil {
		return fmt.Errorf("open raw ICMP, which needs CAP_NET_RAW: %w", err)
	}
	defer e.close()
	out.Table("hops")
	reached, err := tellHops(ctx, e, in, out)
	if err != nil || !reached {
		return err
	}
	out.Table("mtu")
	return tellMTU(ctx, e, in, out)
}

func address4(ctx context.Context, host string) (netip.Addr, error) {
	var r net.Resolver
	ips, err := r.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return netip.Addr{}, err
	}
	return ips[0].Unmap(), nil
}

// tellHops adds a row for each hop and reports whether the host answers.
func tellHops(ctx context.Context, e *echo, in check.Input, out *check.Out) (bool, error) {
	row := -1
	for hop := 1; hop <= in.Int("hops"); hop++ {
		n, lost := in.Int("count"), 0
		var took time.Duration
		var by netip.Addr
		var last reply
		for range n {
			r, err := e.send(ctx, hop, smallEcho, false, in.Duration("timeout"))
			if err != nil {
				return false, err
			}
			if r.kind == silent {
				lost++
				continue
			}
			last, by, took = r, r.from, took+r.took
		}
		loss := 100 * float64(lost) / float64(n)
		var who, ms any
		if lost < n {
			who, ms = by.String(), float64(took)/float64(n-lost)/float64(time.Millisecond)
		}
		row = out.Row(hop, who, loss, ms)
		if last.kind == silent || last.kind == expired {
			continue
		}
		if last.kind == answered && loss > in.Number("loss") {
			out.Find(check.Finding{
				Severity: check.Warn, Param: "loss", Value: loss, Threshold: in.Number("loss"), Table: "hops", Rows: []int{row},
				Text: fmt.Sprintf("%s loses %.0f %% of the packets, over %g %%", in.Text("host"), loss, in.Number("loss")),
			})
		}
		if last.kind != answered {
			out.Find(check.Finding{
				Severity: check.Crit, Value: string(last.kind), Table: "hops", Rows: []int{row},
				Text: fmt.Sprintf("%s says of %s: %s", by, in.Text("host"), last.kind),
			})
		}
		return last.kind == answered, nil
	}
	out.Find(check.Finding{Severity: check.Crit, Table: "hops", Rows: []int{row}, Text: fmt.Sprintf("%s does not answer echo requests within %d hops", in.Text("host"), in.Int("hops"))})
	return false, nil
}

// The sizes of whole packets: IPv4 promises the least.
const (
	smallEcho = 64
	leastMTU  = 576
)

// tellMTU finds the largest packet that reaches the host unbroken.
func tellMTU(ctx context.Context, e *echo, in check.Input, out *check.Out) error {
	low, high := smallEcho, e.linkMTU()
	size, hole := high, false
	var row int
	for low < high {
		r, err := e.sendTwice(ctx, size, in.Duration("timeout"))
		if err != nil {
			return err
		}
		var by, known any
		if r.from.IsValid() {
			by = r.from.String()
		}
		switch r.kind {
		case answered:
			low = size
		case tooBig:
			if high = size - 1; r.mtu >= low && r.mtu < size {
				high = r.mtu
			}
		default:
			hole, high = true, size-1
		}
		if low >= high {
			known = low
		}
		row = out.Row(size, string(r.kind), by, known)
		size = next(low, high, r.kind)
	}
	if hole {
		out.Find(check.Finding{
			Severity: check.Warn, Value: low, Unit: "B", Table: "mtu", Rows: []int{row},
			Text: fmt.Sprintf("packets over %d bytes to %s vanish, and nobody says that they are too large: an MTU black hole", low, in.Text("host")),
		})
	}
	return nil
}

// next is the size to try: what a router named, or else the middle.
func next(low, high int, last kind) int {
	if last == tooBig {
		return high
	}
	if low < leastMTU && high > leastMTU {
		return leastMTU
	}
	return (low + high + 1) / 2
}
