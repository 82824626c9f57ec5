package network

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// listening declares net.listen.
func listening() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "net.listen",
			Summary: "the ports on which somebody listens, and who",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "port", Summary: "TCP ports on which somebody has to listen", Type: shape.AList, Threshold: true, Complete: "net.listen:port"},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "proto", Type: shape.Text},
				{Name: "addr", Type: shape.Text},
				{Name: "port", Type: shape.Int},
				{Name: "pid", Type: shape.Int},
				{Name: "name", Type: shape.Text},
			}}},
			Timeout: 20,
			MaxRows: 2000,
			Source:  socketSource,
		},
		Run: runListening,
	}
}

func runListening(ctx context.Context, in check.Input, out *check.Out) error {
	wanted, err := ports(in.List("port"))
	if err != nil {
		return err
	}
	all, err := sockets(ctx, out)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(s socket) bool { return !s.listens() })
	slices.SortFunc(all, func(a, b socket) int {
		return cmp.Or(cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port), cmp.Compare(a.local, b.local), cmp.Compare(a.pid, b.pid))
	})
	who := names{}
	open := map[int]bool{}
	for _, s := range all {
		name := who.of(ctx, s.pid)
		row := out.Row(s.proto, s.local, s.port, number(s.pid), name)
		if s.proto == "tcp" {
			open[s.port] = true
			label, _ := name.(string)
			out.Edge(check.Edge{Kind: shape.Listens, To: hostPort(s.local, s.port), Label: label, Row: row})
		}
	}
	for _, p := range wanted {
		if !open[p] {
			out.Find(check.Finding{
				Severity: check.Crit, Param: "port", Value: p, Threshold: in.Text("port"),
				Text: fmt.Sprintf("nobody listens on TCP port %d", p),
			})
		}
	}
	return nil
}

// ports reads numbers of ports.
func ports(list []string) ([]int, error) {
	numbers := make([]int, 0, len(list))
	for _, s := range list {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return nil, check.Unknown("%q is not a port", s)
		}
		numbers = append(numbers, int(n))
	}
	return numbers, nil
}
