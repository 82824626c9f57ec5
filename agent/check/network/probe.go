package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// probe declares net.probe.
func probe() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "net.probe",
			Summary: "whether TCP ports of hosts can be reached from here, and why not",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "host", Summary: "hosts, with commas between", Type: shape.AList, Required: true, Complete: "net.conns:peer"},
				{Name: "ports", Summary: "their ports, with commas between", Type: shape.AList, Required: true, Complete: "net.conns:port"},
				{Name: "timeout", Summary: "how long to wait for an answer", Type: shape.ADuration, Default: "3s", Max: 60},
				{Name: "slow", Summary: "how long a connection may take", Type: shape.ADuration, Default: "200ms", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "target", Type: shape.Text},
				{Name: "ip", Type: shape.Text},
				{Name: "port", Type: shape.Int},
				{Name: "result", Type: shape.Text}, // open, refused, timeout, unreachable, unresolved, failed
				{Name: "ms", Type: shape.Number, Unit: "ms"},
				{Name: "reason", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 1000,
			Source:  "a TCP connection to each port of each address of each host",
		},
		Run: runProbe,
	}
}

// A target is one port of one address.
type target struct {
	host, ip string
	port     int
}

// A knock is what came of a connection.
type knock struct {
	target
	result, reason string
	took           time.Duration
}

// probesAtOnce is how many connections are tried at the same time.
const probesAtOnce = 32

func runProbe(ctx context.Context, in check.Input, out *check.Out) error {
	numbers, err := ports(in.List("ports"))
	if err != nil {
		return err
	}
	var targets []target
	for _, host := range in.List("host") {
		ips, err := addresses(ctx, host)
		if err != nil {
			row := out.Row(host, nil, nil, "unresolved", nil, reason(err))
			out.Find(check.Finding{Severity: check.Crit, Rows: []int{row}, Text: fmt.Sprintf("%s has no address: %s", host, reason(err))})
		}
		for _, ip := range ips {
			for _, p := range numbers {
				targets = append(targets, target{host, ip, p})
			}
		}
	}
	if len(targets) > maxProbes {
		return check.Unknown("%d connections are too many to try: name fewer hosts or ports", len(targets))
	}
	for _, k := range knockAll(ctx, targets, in.Duration("timeout")) {
		k.tell(in, out)
	}
	return nil
}

// maxProbes is the most connections that one question tries.
const maxProbes = 1000

// addresses returns those of a host.
func addresses(ctx context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	var r net.Resolver
	return r.LookupHost(ctx, host)
}

// knockAll tries all of them, in order of targets.
func knockAll(ctx context.Context, targets []target, wait time.Duration) []knock {
	done := make([]knock, len(targets))
	free := make(chan struct{}, probesAtOnce)
	var wg sync.WaitGroup
	for i, t := range targets {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			done[i] = t.knock(ctx, wait)
		})
	}
	wg.Wait()
	return done
}

func (t target) knock(ctx context.Context, wait time.Duration) knock {
	d := net.Dialer{Timeout: wait}
	start := time.Now()
	c, err := d.DialContext(ctx, "tcp", hostPort(t.ip, t.port))
	k := knock{target: t, result: "open", took: time.Since(start)}
	if err == nil {
		c.Close()
		return k
	}
	var timeout net.Error
	k.reason = reason(err)
	switch {
	case isRefused(err):
		k.result = "refused"
	case isUnreachable(err):
		k.result = "unreachable"
	case isTimeout(err), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		k.result, k.reason = "timeout", fmt.Sprintf("no answer within %v", wait)
	default:
		k.result = "failed"
	}
	return k
}

func (k knock) tell(in check.Input, out *check.Out) {
	ms := float64(k.took) / float64(time.Millisecond)
	row := out.Row(k.host, k.ip, k.port, k.result, ms, text(k.reason))
	at := hostPort(k.ip, k.port)
	if k.host != k.ip {
		at = fmt.Sprintf("%s (%s)", hostPort(k.host, k.port), k.ip)
	}
	if k.result != "open" {
		out.Find(check.Finding{
			Severity: check.Crit, Value: k.result, Rows: []int{row},
			Text: fmt.Sprintf("%s is not reached: %s: %s", at, k.result, k.reason),
		})
		return
	}
	out.Edge(check.Edge{Kind: shape.ConnectsTo, To: hostPort(k.host, k.port), Row: row})
	if k.took > in.Duration("slow") {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "slow", Value: k.took.Seconds(), Threshold: in.Duration("slow").Seconds(), Unit: "s", Rows: []int{row},
			Text: fmt.Sprintf("a connection to %s takes %.0f ms, over %v", at, ms, in.Duration("slow")),
		})
	}
}
