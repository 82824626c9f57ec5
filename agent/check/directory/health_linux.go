package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/go-ldap/ldap/v3"
)

// health declares ad.health.
func health() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "ad.health",
			Summary: "whether a domain controller shares SYSVOL, is synchronised, and has its role owners alive and its database sound",
			Effect:  sessionlog.EffectProbe,
			Roles:   []string{"dc"},
			Params: serverParams(
				check.Param{Name: "dbcheck", Summary: "check the database of this Samba controller", Type: shape.ABool, Default: "yes"},
			),
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "test", Type: shape.Text},
				{Name: "subject", Type: shape.Text},
				{Name: "ok", Type: shape.Bool}, // null: it cannot tell
				{Name: "detail", Type: shape.Text},
			}}},
			Timeout: 180,
			MaxRows: 100,
			Source:  "the root DSE, smbclient -g -L, samba-tool fsmo show and dbcheck, of which the exit code counts; a connection to each role owner",
		},
		Run: runHealth,
	}
}

func runHealth(ctx context.Context, in check.Input, out *check.Out) error {
	s := serverOf(in)
	rootTest(ctx, s, out)
	sharesTest(ctx, s.host, out)
	rolesTest(ctx, s, out)
	if in.Bool("dbcheck") && loopback(s.host) {
		_, err := sambaTool(ctx, out, "dbcheck", "--cross-ncs")
		tellTest("dbcheck", s.host, err, out)
	}
	return ctx.Err()
}

// tellTest adds a row: err says what is wrong, and an UnknownError what is missing.
func tellTest(test, subject string, err error, out *check.Out) {
	var missing *check.UnknownError
	switch {
	case errors.As(err, &missing):
		out.Row(test, subject, nil, err.Error())
	case err != nil:
		row := out.Row(test, subject, false, brief(err).Error())
		out.Find(check.Finding{Severity: check.Crit, Value: subject, Rows: []int{row}, Text: fmt.Sprintf("%s of %s fails: %v", test, subject, brief(err))})
	default:
		out.Row(test, subject, true, nil)
	}
}

func rootTest(ctx context.Context, s server, out *check.Out) {
	l, err := s.dial(ctx)
	if err != nil {
		tellTest("ldap", s.host, err, out)
		return
	}
	defer l.Close()
	e, err := readRoot(l)
	tellTest("ldap", s.host, err, out)
	if err == nil && e.GetAttributeValue("isSynchronized") == "FALSE" {
		tellTest("synchronisation", s.host, errors.New("it has not replicated since it started"), out)
	}
}

// sharesTest looks for the shares that logons need.
func sharesTest(ctx context.Context, host string, out *check.Out) {
	b, err := check.Tool(ctx, out, "smbclient", "-N", "-g", "-L", host)
	if err != nil {
		tellTest("shares", host, err, out)
		return
	}
	var disks []string
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Split(line, "|"); len(f) > 1 && f[0] == "Disk" {
			disks = append(disks, strings.ToLower(f[1]))
		}
	}
	for _, share := range []string{"sysvol", "netlogon"} {
		var err error
		if !slices.Contains(disks, share) {
			err = errors.New("it is not shared")
		}
		tellTest("share "+share, host, err, out)
	}
}

// rolesTest connects to the owner of each role.
func rolesTest(ctx context.Context, s server, out *check.Out) {
	args := []string{"fsmo", "show"}
	if !loopback(s.host) {
		args = append(args, "-H", "ldap://"+s.host, "-P")
	}
	b, err := sambaTool(ctx, out, args...)
	if err != nil {
		tellTest("roles", s.host, check.Unknown("the role owners cannot be read: %v", brief(err)), out)
		return
	}
	alive := map[string]error{}
	for _, line := range strings.Split(string(b), "\n") {
		role, dn, ok := strings.Cut(line, " owner: ")
		if !ok {
			continue
		}
		name, _ := nameOf(dn)
		host := strings.ToLower(name + "." + domainOf(dn))
		if _, asked := alive[host]; !asked {
			alive[host] = reach(ctx, hostPort(host, 389), s.wait)
		}
		err := alive[host]
		if name == "" {
			err = errors.New("its owner is " + dn)
		}
		tellTest(strings.TrimSpace(role), host, err, out)
	}
}

// domainOf is the domain in a DN.
func domainOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return ""
	}
	var parts []string
	for _, r := range parsed.RDNs {
		if strings.EqualFold(r.Attributes[0].Type, "DC") {
			parts = append(parts, r.Attributes[0].Value)
		}
	}
	return strings.Join(parts, ".")
}
