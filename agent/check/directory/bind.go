package directory

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/go-ldap/ldap/v3"
	"github.com/go-ldap/ldap/v3/gssapi"
)

// bind declares ldap.bind.
func bind() check.Check {
	part := func(name string) check.Column { return check.Column{Name: name, Type: shape.Number, Unit: "ms"} }
	return check.Check{
		Spec: check.Spec{
			Name:    "ldap.bind",
			Summary: "logs on to a directory server and tells how long each part took, and why it was refused",
			Effect:  sessionlog.EffectProbe,
			Params: serverParams(
				check.Param{Name: "auth", Summary: "as whom: nobody, with a password, or with Kerberos and a keytab", Type: shape.AnEnum, Values: []string{"anonymous", "simple", "kerberos"}, Default: "anonymous"},
				check.Param{Name: "secret", Summary: "the secret with USER and PASSWORD, or PRINCIPAL, REALM and KEYTAB", Type: shape.ASecret},
				check.Param{Name: "kdc", Summary: "KDCs of kerberos; those in DNS if none is named", Type: shape.AList},
				check.Param{Name: "slow", Summary: "how long all of it may take", Type: shape.ADuration, Default: "1s", Threshold: true},
			),
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "dc", Type: shape.Text},
				{Name: "ip", Type: shape.Text},
				part("resolve"), part("connect"), part("tls"), part("bind"),
				{Name: "code", Type: shape.Int},
				{Name: "result", Type: shape.Text},
				{Name: "diagnostic", Type: shape.Text},
				{Name: "meaning", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 1,
			Source:  "an LDAP bind",
		},
		Run: runBind,
	}
}

func runBind(ctx context.Context, in check.Input, out *check.Out) error {
	s := serverOf(in)
	if in.Text("auth") == "simple" && s.how == "ldap" && !loopback(s.host) {
		return check.Unknown("a password does not go over the network in clear: use how=starttls or how=ldaps")
	}
	login, err := loginOf(ctx, in, s)
	if err != nil {
		return err
	}
	l, err := s.dial(ctx)
	var took time.Duration
	if err == nil {
		defer l.Close()
		start := time.Now()
		err = login(l)
		took = time.Since(start)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if why := unknown(err); why != nil {
		return why
	}
	tellBind(s, l, took, err, in, out)
	return nil
}

// loginOf returns how to log on.
func loginOf(ctx context.Context, in check.Input, s server) (func(*link) error, error) {
	if in.Text("auth") == "anonymous" {
		return func(l *link) error { return l.UnauthenticatedBind("") }, nil
	}
	secret, err := in.Secrets.Get(in.Text("secret"))
	if err != nil {
		return nil, err
	}
	if in.Text("auth") == "simple" {
		if secret["USER"] == "" || secret["PASSWORD"] == "" {
			return nil, check.Unknown("the secret %s has no USER or no PASSWORD", in.Text("secret"))
		}
		return func(l *link) error { return l.Bind(secret["USER"], secret["PASSWORD"]) }, nil
	}
	c, err := kerberosClient(secret, in.Text("secret"), in.List("kdc"))
	if err != nil {
		return nil, err
	}
	return func(l *link) error {
		defer c.Destroy()
		return within(ctx, func() error { return l.GSSAPIBind(&gssapi.Client{Client: c}, "ldap/"+s.host, "") })
	}, nil
}

func tellBind(s server, l *link, took time.Duration, err error, in check.Input, out *check.Out) {
	var code any
	result, diagnostic := "", ""
	var said *ldap.Error
	switch {
	case err == nil:
		code, result = 0, "success"
	case errors.As(err, &said) && said.ResultCode != ldap.ErrorNetwork:
		code, result = int(said.ResultCode), ldap.LDAPResultCodeMap[said.ResultCode]
		if said.Err != nil {
			diagnostic = strings.TrimRight(said.Err.Error(), "\x00")
		}
	default:
		result, diagnostic = "failed", err.Error()
	}
	meaning := subCode(diagnostic)
	row := []int{out.Row(s.host, text(l.ip), ms(l.resolve), ms(l.connect), ms(l.tls), ms(took), code, result, text(diagnostic), text(meaning))}
	at := hostPort(s.host, s.port)
	if l.Conn != nil {
		out.Edge(check.Edge{Kind: shape.ConnectsTo, To: at, Label: s.how, Row: row[0]})
	}
	if err != nil {
		why := meaning
		if why == "" {
			why = strings.TrimPrefix(result+": "+diagnostic, "failed: ")
		}
		out.Find(check.Finding{Severity: check.Crit, Value: code, Rows: row, Text: fmt.Sprintf("the bind to %s fails: %s", at, why)})
	}
	if total := l.resolve + l.connect + l.tls + took; total > in.Duration("slow") {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "slow", Value: total.Seconds(), Threshold: in.Duration("slow").Seconds(), Unit: "s", Rows: row,
			Text: fmt.Sprintf("the bind to %s takes %s, over %v", at, shape.Span(total.Seconds()), in.Duration("slow")),
		})
	}
}

// subCode says what Active Directory means by "data 52e" in a diagnostic message.
func subCode(diagnostic string) string {
	m := regexp.MustCompile(`(?i)\bdata ([0-9a-f]{1,4})\b`).FindStringSubmatch(diagnostic)
	if m == nil {
		return ""
	}
	return map[string]string{
		"525": "there is no such user",
		"52e": "the password is wrong",
		"52f": "the account is restricted",
		"530": "logon is not allowed at this hour",
		"531": "logon is not allowed from this machine",
		"532": "the password has expired",
		"533": "the account is disabled",
		"568": "the user is in too many groups",
		"701": "the account has expired",
		"773": "the password has to be changed first",
		"775": "the account is locked",
	}[strings.ToLower(m[1])]
}

// loopback reports whether a host is this machine by its address.
func loopback(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
}
