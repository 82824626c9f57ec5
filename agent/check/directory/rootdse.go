package directory

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/go-ldap/ldap/v3"
)

// serverParams are the parameters of checks that speak LDAP.
func serverParams(more ...check.Param) []check.Param {
	return append([]check.Param{
		{Name: "dc", Summary: "the server", Type: shape.AHost, Default: "localhost", Complete: "dns.adsrv:target"},
		{Name: "how", Summary: "plain, TLS from the start, or TLS after StartTLS", Type: shape.AnEnum, Values: []string{"ldap", "ldaps", "starttls"}, Default: "ldap"},
		{Name: "port", Summary: "the port; 389 or 636 if none is given", Type: shape.APort},
		{Name: "ca", Summary: "a PEM file of authorities to trust instead of the machine's", Type: shape.APath},
		{Name: "timeout", Summary: "how long to wait", Type: shape.ADuration, Default: "5s", Max: 30},
	}, more...)
}

// rootDSE declares ldap.rootdse.
func rootDSE() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "ldap.rootdse",
			Summary: "what a directory server says of itself to anybody: its name, its clock, whether it is synchronised",
			Effect:  sessionlog.EffectProbe,
			Params: serverParams(
				check.Param{Name: "offset", Summary: "how far its clock may be from this machine's", Type: shape.ADuration, Default: "60s", Threshold: true},
			),
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "dc", Type: shape.Text},
				{Name: "dns_host_name", Type: shape.Text},
				{Name: "naming_context", Type: shape.Text},
				{Name: "current_time", Type: shape.Time},
				{Name: "offset", Type: shape.Duration},
				{Name: "synchronized", Type: shape.Bool},
				{Name: "gc_ready", Type: shape.Bool},
				{Name: "highest_usn", Type: shape.Int},
				{Name: "ms", Type: shape.Number, Unit: "ms"},
			}}},
			Timeout: 60,
			MaxRows: 1,
			Source:  "LDAP: a search for the empty name at base scope, without credentials",
		},
		Run: runRootDSE,
	}
}

func runRootDSE(ctx context.Context, in check.Input, out *check.Out) error {
	s := serverOf(in)
	start := time.Now()
	l, err := s.dial(ctx)
	if err == nil {
		defer l.Close()
	}
	var e *ldap.Entry
	if err == nil {
		e, err = readRoot(l)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if why := unknown(err); why != nil {
		return why
	}
	if err != nil {
		out.Find(check.Finding{Severity: check.Crit, Value: s.host, Text: fmt.Sprintf("%s does not answer: %v", hostPort(s.host, s.port), err)})
		return nil
	}
	tellRoot(s, e, start, in, out)
	return nil
}

// readRoot reads the root DSE.
func readRoot(l *link) (*ldap.Entry, error) {
	r, err := l.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"*", "+"}, nil))
	if err != nil {
		return nil, fmt.Errorf("read the root DSE: %w", err)
	}
	if len(r.Entries) != 1 {
		return nil, fmt.Errorf("read the root DSE: %d entries", len(r.Entries))
	}
	return r.Entries[0], nil
}

func tellRoot(s server, e *ldap.Entry, start time.Time, in check.Input, out *check.Out) {
	now := time.Now()
	for _, a := range e.Attributes {
		for _, v := range a.Values {
			out.Raw([]byte(a.Name + ": " + v + "\n"))
		}
	}
	nc := e.GetAttributeValue("defaultNamingContext")
	if nc == "" {
		nc = e.GetAttributeValue("namingContexts")
	}
	var offset any
	at, err := time.Parse("20060102150405.0Z", e.GetAttributeValue("currentTime"))
	if err == nil {
		offset = at.Sub(now.Truncate(time.Second))
	}
	var usn any
	if n, err := strconv.ParseInt(e.GetAttributeValue("highestCommittedUSN"), 10, 64); err == nil {
		usn = n
	}
	row := []int{out.Row(s.host, text(e.GetAttributeValue("dnsHostName")), text(nc), at, offset,
		truth(e.GetAttributeValue("isSynchronized")), truth(e.GetAttributeValue("isGlobalCatalogReady")), usn, ms(now.Sub(start)))}
	if name := e.GetAttributeValue("dnsHostName"); name != "" {
		out.Edge(check.Edge{Kind: shape.LogonServer, To: name, Label: nc, Row: row[0]})
	}
	if e.GetAttributeValue("isSynchronized") == "FALSE" {
		out.Find(check.Finding{Severity: check.Crit, Value: false, Rows: row, Text: s.host + " is not synchronised: it has not replicated since it started"})
	}
	if d, ok := offset.(time.Duration); ok && d.Abs() > in.Duration("offset") {
		out.Find(check.Finding{
			Severity: check.Crit, Param: "offset", Value: d.Abs().Seconds(), Threshold: in.Duration("offset").Seconds(), Unit: "s", Rows: row,
			Text: fmt.Sprintf("the clock of %s is %s off, over %v", s.host, shape.Span(d.Abs().Seconds()), in.Duration("offset")),
		})
	}
}

// truth reads LDAP's TRUE and FALSE as a cell.
func truth(s string) any {
	switch s {
	case "TRUE":
		return true
	case "FALSE":
		return false
	}
	return nil
}
