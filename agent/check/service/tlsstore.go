//go:build unix

package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// tlsPaths are where servers on Unix have their certificates.
const tlsPaths = "/etc/ssl/private,/etc/nginx,/etc/apache2,/etc/httpd,/etc/haproxy,/etc/letsencrypt/live,/etc/pki/tls," +
	"/etc/postgresql,/etc/mysql,/etc/postfix,/etc/dovecot,/etc/ldap,/etc/openldap,/etc/samba,/var/lib/samba/private/tls"

// tlsStore declares tls.store.
func tlsStore() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "tls.store",
			Summary: "certificates in files, when they expire and which server's configuration names them",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "paths", Summary: "files and directories to look in", Type: shape.AList, Default: tlsPaths},
				{Name: "warn", Summary: "time left that is little", Type: shape.ADuration, Default: "30d", Threshold: true},
				{Name: "crit", Summary: "time left that is too little", Type: shape.ADuration, Default: "7d", Threshold: true},
				{Name: "replaced", Summary: "how long a new certificate is news", Type: shape.ADuration, Default: "48h", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "path", Type: shape.Text},
				{Name: "thumbprint", Type: shape.Text}, // SHA-256
				{Name: "subject", Type: shape.Text},
				{Name: "names", Type: shape.Text},
				{Name: "issuer", Type: shape.Text},
				{Name: "ca", Type: shape.Bool},
				{Name: "not_after", Type: shape.Time},
				{Name: "changed", Type: shape.Time},
				{Name: "private_key", Type: shape.Bool},
				{Name: "bound_to", Type: shape.Text},
			}}},
			Timeout: 30,
			MaxRows: 2000,
			Source:  "PEM and DER certificates in files; bound_to from the lines of configuration files in the same directories; files with more than 10 certificates are authorities and left out; PKCS#12 and Java stores are not opened",
		},
		Run: runTLSStore,
	}
}

func runTLSStore(ctx context.Context, in check.Input, out *check.Out) error {
	s := newTLSWalk()
	for _, path := range in.List("paths") {
		if err := s.walk(ctx, path, in.Given("paths")); err != nil {
			return err
		}
	}
	s.bind()
	slices.SortStableFunc(s.found, func(a, b found) int {
		return cmp.Or(a.cert.NotAfter.Compare(b.cert.NotAfter), cmp.Compare(a.path, b.path))
	})
	now := time.Now()
	for _, f := range s.found {
		f.tell(in, out, now)
	}
	if len(s.denied) > 0 {
		return check.Unknown("the agent may not read %s: certificates there are not seen", strings.Join(s.denied[:min(5, len(s.denied))], ", "))
	}
	return nil
}

func (f found) tell(in check.Input, out *check.Out, now time.Time) {
	c := f.cert
	names := strings.Join(c.DNSNames, " ")
	row := []int{out.Row(
		f.path, f.thumbprint(), c.Subject.String(), text(names), c.Issuer.String(), c.IsCA, c.NotAfter, f.changed, f.key, text(strings.Join(f.bound, ", ")),
	)}
	used := f.key || len(f.bound) > 0
	if e, ok := f.expiry(in, now, used); ok {
		e.Rows = row
		out.Find(e)
	}
	if ago := now.Sub(f.changed); used && !c.IsCA && ago < in.Duration("replaced") {
		out.Find(check.Finding{
			Severity: check.Info, Param: "replaced", Value: ago.Seconds(), Threshold: in.Duration("replaced").Seconds(), Unit: "s", Rows: row,
			Text: fmt.Sprintf("%s in %s was written %s ago", c.Subject, f.path, shape.Span(ago.Seconds())),
		})
	}
}

// expiry is the finding about the time left, if it is little.
func (f found) expiry(in check.Input, now time.Time, used bool) (check.Finding, bool) {
	left := f.cert.NotAfter.Sub(now)
	e := check.Finding{Severity: check.Warn, Param: "crit", Value: left.Seconds(), Unit: "s"}
	switch {
	case left < in.Duration("crit"):
		if used {
			e.Severity = check.Crit
		}
	case left < in.Duration("warn"):
		e.Param = "warn"
	default:
		return e, false
	}
	e.Threshold = in.Duration(e.Param).Seconds()
	e.Text = fmt.Sprintf("%s in %s expires in %s", f.cert.Subject, f.path, shape.Span(left.Seconds()))
	if left <= 0 {
		e.Text = fmt.Sprintf("%s in %s expired %s ago", f.cert.Subject, f.path, shape.Span(-left.Seconds()))
	}
	return e, true
}
