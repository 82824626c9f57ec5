package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// remoteTLS declares tls.remote.
func remoteTLS() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "tls.remote",
			Summary: "the certificates that a server shows, when they expire and whether they hold",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "target", Summary: "HOST:PORT of the server", Type: shape.AHostPort, Required: true, Complete: "net.probe:target"},
				{Name: "sni", Summary: "the name to ask for; the target's if none is given", Type: shape.AHost},
				{Name: "starttls", Summary: "what the server speaks before TLS", Type: shape.AnEnum, Values: []string{"none", "smtp", "ldap", "postgres"}, Default: "none"},
				{Name: "ca", Summary: "a PEM file of authorities to trust instead of the machine's", Type: shape.APath},
				{Name: "timeout", Summary: "how long to wait", Type: shape.ADuration, Default: "5s", Max: 30},
				{Name: "warn", Summary: "time left that is little", Type: shape.ADuration, Default: "30d", Threshold: true},
				{Name: "crit", Summary: "time left that is too little", Type: shape.ADuration, Default: "7d", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "position", Type: shape.Int}, // 0 is the server's own
				{Name: "subject", Type: shape.Text},
				{Name: "san", Type: shape.Text},
				{Name: "issuer", Type: shape.Text},
				{Name: "not_after", Type: shape.Time},
				{Name: "chain", Type: shape.Text}, // ok, or why it does not hold
				{Name: "proto", Type: shape.Text},
				{Name: "cipher", Type: shape.Text},
				{Name: "ms", Type: shape.Number, Unit: "ms"},
			}}},
			Timeout: 60,
			MaxRows: 20,
			Source:  "a TLS handshake; the chain is checked as by crypto/x509",
		},
		Run: runRemoteTLS,
	}
}

func runRemoteTLS(ctx context.Context, in check.Input, out *check.Out) error {
	roots, err := authorities(in.Text("ca"))
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(in.Text("target"))
	name := host
	if in.Has("sni") {
		name = in.Text("sni")
	}
	limited, cancel := context.WithTimeout(ctx, in.Duration("timeout"))
	defer cancel()
	start := time.Now()
	s, err := handshake(limited, in.Text("target"), name, in.Text("starttls"))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && limited.Err() != nil:
		err = fmt.Errorf("no answer within %v", in.Duration("timeout"))
	}
	if err != nil {
		out.Find(check.Finding{Severity: check.Crit, Text: fmt.Sprintf("no TLS with %s: %s", in.Text("target"), reason(err))})
		return nil
	}
	out.Edge(check.Edge{Kind: shape.ConnectsTo, To: in.Text("target"), Label: "tls", Row: 0})
	tellChain(s, name, roots, time.Since(start), in, out)
	return nil
}

func authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, check.Unknown("there is no certificate in %s", path)
	}
	return pool, nil
}

// handshake speaks TLS with the server, whatever its certificate.
func handshake(ctx context.Context, target, name, before string) (tls.ConnectionState, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if err := startTLS(c, before); err != nil {
		return tls.ConnectionState{}, fmt.Errorf("before TLS: %w", err)
	}
	// What it shows is judged afterwards: an expired certificate is what we came for.
	t := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10})
	if err := t.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, err
	}
	return t.ConnectionState(), nil
}

func tellChain(s tls.ConnectionState, name string, roots *x509.CertPool, took time.Duration, in check.Input, out *check.Out) {
	chain := verify(s.PeerCertificates, roots)
	said := "ok"
	if chain != nil {
		said = chain.Error()
	}
	for i, c := range s.PeerCertificates {
		out.Raw(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
		var why, proto, cipher, ms any
		if i == 0 {
			why, proto, cipher, ms = said, tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), float64(took)/float64(time.Millisecond)
		}
		row := out.Row(i, c.Subject.String(), text(strings.Join(sans(c), " ")), c.Issuer.String(), c.NotAfter, why, proto, cipher, ms)
		tellExpiry(c, row, in, out)
	}
	if len(s.PeerCertificates) == 0 {
		return
	}
	if err := s.PeerCertificates[0].VerifyHostname(name); err != nil {
		out.Find(check.Finding{Severity: check.Crit, Value: name, Rows: []int{0}, Text: fmt.Sprintf("the certificate is not for %s: %v", name, err)})
	}
	if chain != nil {
		out.Find(check.Finding{Severity: check.Warn, Rows: []int{0}, Text: fmt.Sprintf("the chain of %s does not hold: %v", in.Text("target"), chain)})
	}
}

// verify checks the chain, but neither names nor times: those are told apart.
func verify(certs []*x509.Certificate, roots *x509.CertPool) error {
	if len(certs) == 0 {
		return errors.New("the server shows no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		CurrentTime: within(certs[0], time.Now()),
	})
	return err
}

// within returns now, or the nearest time at which c is valid.
func within(c *x509.Certificate, now time.Time) time.Time {
	switch {
	case now.After(c.NotAfter):
		return c.NotAfter
	case now.Before(c.NotBefore):
		return c.NotBefore
	}
	return now
}

func sans(c *x509.Certificate) []string {
	list := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}

func tellExpiry(c *x509.Certificate, row int, in check.Input, out *check.Out) {
	left := time.Until(c.NotAfter)
	f := check.Finding{Severity: check.Crit, Param: "crit", Value: left.Seconds(), Unit: "s", Rows: []int{row}}
	switch {
	case left <= 0:
		f.Text = fmt.Sprintf("%s expired %s ago", c.Subject, shape.Span(-left.Seconds()))
	case left < in.Duration("crit"):
		f.Text = fmt.Sprintf("%s expires in %s", c.Subject, shape.Span(left.Seconds()))
	case left < in.Duration("warn"):
		f.Severity, f.Param = check.Warn, "warn"
		f.Text = fmt.Sprintf("%s expires in %s", c.Subject, shape.Span(left.Seconds()))
	default:
		if early := time.Until(c.NotBefore); early > 0 {
			out.Find(check.Finding{Severity: check.Crit, Value: early.Seconds(), Unit: "s", Rows: []int{row}, Text: fmt.Sprintf("%s is valid only in %s", c.Subject, shape.Span(early.Seconds()))})
		}
		return
	}
	f.Threshold = in.Duration(f.Param).Seconds()
	out.Find(f)
}
