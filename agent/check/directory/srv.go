package directory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// srvRecords declares dns.adsrv.
func srvRecords() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "dns.adsrv",
			Summary: "the records by which a domain's members find its controllers, and whether those live",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "domain", Summary: "the domain; this machine's if none is given", Type: shape.AHost},
				{Name: "server", Summary: "the name server to ask, ADDRESS or ADDRESS:PORT; this machine's if none is given", Type: shape.AText},
				{Name: "known", Summary: "controllers that have to be in every record", Type: shape.AList, Threshold: true, Complete: "dns.adsrv:target"},
				{Name: "timeout", Summary: "how long a controller may take to accept a connection", Type: shape.ADuration, Default: "2s", Max: 20},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "record", Type: shape.Text},
				{Name: "target", Type: shape.Text},
				{Name: "port", Type: shape.Int},
				{Name: "resolves", Type: shape.Text},
				{Name: "reachable", Type: shape.Bool},
				{Name: "reason", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 500,
			Source:  "SRV questions to the name server; a TCP connection to each target",
		},
		Run: runSRV,
	}
}

// srvNames are the records, without the domain.
func srvNames() []string {
	return []string{"_ldap._tcp.dc._msdcs", "_kerberos._tcp", "_gc._tcp"}
}

func runSRV(ctx context.Context, in check.Input, out *check.Out) error {
	domain := in.Text("domain")
	if domain == "" {
		domain = ownDomain()
	}
	if domain == "" {
		return check.Unknown("this machine's name has no domain: name one with domain=")
	}
	r := resolver(in.Text("server"))
	seen := map[string][]string{} // targets by record
	all := in.List("known")
	for _, name := range srvNames() {
		_, list, err := r.LookupSRV(ctx, "", "", name+"."+domain)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			tellMissing(name+"."+domain, err, out)
			continue
		}
		seen[name] = []string{}
		for _, s := range list {
			host := strings.ToLower(strings.TrimSuffix(s.Target, "."))
			seen[name] = append(seen[name], host)
			all = append(all, host)
			tellTarget(ctx, r, name+"."+domain, domain, host, int(s.Port), in.Duration("timeout"), out)
		}
	}
	slices.Sort(all)
	for _, host := range slices.Compact(all) {
		for _, name := range srvNames() {
			if list, ok := seen[name]; ok && !slices.ContainsFunc(list, func(h string) bool { return strings.EqualFold(h, host) }) {
				out.Find(check.Finding{Severity: check.Warn, Param: "known", Value: host, Text: fmt.Sprintf("%s.%s does not name the controller %s", name, domain, host)})
			}
		}
	}
	return nil
}

func tellMissing(record string, err error, out *check.Out) {
	row := out.Row(record, nil, nil, nil, nil, err.Error())
	f := check.Finding{Severity: check.Crit, Rows: []int{row}, Text: fmt.Sprintf("%s cannot be looked up: %v", record, err)}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		f.Text = record + " does not exist"
	}
	out.Find(f)
}

func tellTarget(ctx context.Context, r *net.Resolver, record, domain, host string, port int, wait time.Duration, out *check.Out) {
	ips, err := r.LookupHost(ctx, host)
	if err != nil {
		row := out.Row(record, host, port, nil, false, err.Error())
		out.Find(check.Finding{Severity: check.Crit, Value: host, Rows: []int{row}, Text: fmt.Sprintf("%s names %s, which has no address", record, host)})
		return
	}
	var dead error
	for _, ip := range ips {
		if dead = reach(ctx, hostPort(ip, port), wait); dead == nil {
			break
		}
	}
	var why any
	if dead != nil {
		why = dead.Error()
	}
	row := out.Row(record, host, port, strings.Join(ips, " "), dead == nil, why)
	out.Edge(check.Edge{Kind: shape.LogonServer, To: host, Label: domain, Row: row})
	if dead != nil {
		out.Find(check.Finding{Severity: check.Crit, Value: host, Rows: []int{row}, Text: fmt.Sprintf("%s names %s, which does not answer: %v", record, host, dead)})
	}
}
