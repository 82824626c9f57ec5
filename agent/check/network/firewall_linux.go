package network

import (
	"context"
	"fmt"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// firewall declares fw.check.
func firewall() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "fw.check",
			Summary: "what the firewall does with new connections to ports",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "direction", Summary: "connections to this machine, or from it", Type: shape.AnEnum, Values: []string{"in", "out"}, Default: "in"},
				{Name: "proto", Summary: "the protocol", Type: shape.AnEnum, Values: []string{"tcp", "udp"}, Default: "tcp"},
				{Name: "port", Summary: "ports that have to be open", Type: shape.AList, Threshold: true, Complete: "net.listen:port"},
			},
			Tables: []check.Table{
				{Name: "chains", Columns: []check.Column{
					{Name: "profile", Type: shape.Text}, // family, table and chain
					{Name: "default", Type: shape.Text},
					{Name: "rule", Type: shape.Text},
					{Name: "action", Type: shape.Text},
				}},
				{Name: "ports", Columns: []check.Column{
					{Name: "port", Type: shape.Int},
					{Name: "action", Type: shape.Text}, // accept, drop, reject, or depends
					{Name: "profile", Type: shape.Text},
					{Name: "rule", Type: shape.Text},
				}},
			},
			Timeout: 20,
			MaxRows: 5000,
			Source:  "nft -j list ruleset, or iptables-save; a port is followed through the rules as the first packet of a connection of which only its port is known",
		},
		Run: runFirewall,
	}
}

func runFirewall(ctx context.Context, in check.Input, out *check.Out) error {
	numbers, err := ports(in.List("port"))
	if err != nil {
		return err
	}
	rules, err := readFirewall(ctx, out)
	if err != nil {
		return err
	}
	hook := map[string]string{"in": "input", "out": "output"}[in.Text("direction")]
	out.Table("chains")
	for _, c := range rules.hooked(hook) {
		for _, r := range rules.reach(c) {
			out.Row(r.chain, c.policy, text(r.text), r.action())
		}
		if len(rules.reach(c)) == 0 {
			out.Row(c.name, c.policy, nil, nil)
		}
	}
	out.Table("ports")
	for _, p := range numbers {
		v := rules.follow(hook, packet{proto: in.Text("proto"), port: p})
		row := out.Row(p, v.action, text(v.chain), text(v.rule))
		f := check.Finding{Param: "port", Value: p, Table: "ports", Rows: []int{row}}
		switch v.action {
		case "drop", "reject":
			f.Severity, f.Text = check.Crit, fmt.Sprintf("%s port %d is blocked: %s does %s in %s", in.Text("proto"), p, v.said(), v.action, v.chain)
		case "depends":
			f.Severity, f.Text = check.Info, fmt.Sprintf("%s port %d is open to some only: it depends on %s in %s", in.Text("proto"), p, v.said(), v.chain)
		default:
			continue
		}
		out.Find(f)
	}
	return nil
}

func readFirewall(ctx context.Context, out *check.Out) (*ruleset, error) {
	b, err := check.Tool(ctx, out, "nft", "-j", "list", "ruleset")
	if err == nil {
		return parseNft(b)
	}
	if strings.Contains(err.Error(), "Operation not permitted") {
		return nil, check.Unknown("the agent may not read the firewall: it needs CAP_NET_ADMIN")
	}
	save, other := check.Tool(ctx, out, "iptables-save")
	if other != nil {
		return nil, check.Unknown("no firewall can be read: %v; %v", err, other)
	}
	return parseIPTables(save), nil
}
