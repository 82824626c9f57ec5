package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// get declares http.get.
func get() check.Check {
	ms := func(name string) check.Column { return check.Column{Name: name, Type: shape.Number, Unit: "ms"} }
	return check.Check{
		Spec: check.Spec{
			Name:    "http.get",
			Summary: "gets a page and tells how long each part of it takes",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "url", Summary: "the page", Type: shape.AText, Required: true},
				{Name: "host", Summary: "the Host header, if not the page's", Type: shape.AHost},
				{Name: "ca", Summary: "a PEM file of authorities to trust instead of the machine's", Type: shape.APath},
				{Name: "insecure", Summary: "take any certificate", Type: shape.ABool, Default: "no"},
				{Name: "timeout", Summary: "how long to wait", Type: shape.ADuration, Default: "10s", Max: 60},
				{Name: "slow", Summary: "how long all of it may take", Type: shape.ADuration, Default: "2s", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "url", Type: shape.Text},
				{Name: "ip", Type: shape.Text},
				{Name: "code", Type: shape.Int},
				ms("dns"), ms("connect"), ms("tls"), ms("wait"), ms("read"), ms("total"),
				{Name: "size", Type: shape.Bytes},
				{Name: "title", Type: shape.Text},
				{Name: "redirect", Type: shape.Text},
			}}},
			Timeout: 90,
			MaxRows: maxRedirects + 1,
			Source:  "a GET request, traced by net/http/httptrace; a row for each redirect",
		},
		Run: runGet,
	}
}

// maxRedirects is how many redirects are followed, and maxPage how much of a page is
// read.
const (
	maxRedirects = 10
	maxPage      = 16 << 20
)

func runGet(ctx context.Context, in check.Input, out *check.Out) error {
	at, err := url.Parse(in.Text("url"))
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return check.Unknown("url is not http://HOST/… or https://HOST/…")
	}
	if at.User != nil {
		return check.Unknown("a password in a url would be recorded: leave it out")
	}
	roots, err := authorities(in.Text("ca"))
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, in.Duration("timeout"))
	defer cancel()
	tr := &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, InsecureSkipVerify: in.Bool("insecure")},
	}
	defer tr.CloseIdleConnections()
	host := in.Text("host")
	total := time.Duration(0)
	var rows []int
	for range maxRedirects + 1 {
		p := fetchPage(limited, tr, at, host, out)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		total += p.total
		rows = append(rows, p.tell(at, out))
		if p.err != nil || p.location == nil {
			p.find(at, total, rows, in, out)
			return nil
		}
		if p.location.Host != at.Host {
			host = ""
		}
		at = p.location
	}
	out.Find(check.Finding{Severity: check.Crit, Value: maxRedirects, Rows: rows, Text: fmt.Sprintf("%s redirects more than %d times", in.Text("url"), maxRedirects)})
	return nil
}

// A page is what one request brought.
type page struct {
	phases
	read     time.Duration
	code     int
	size     int64
	title    string
	location *url.URL
	err      error
}

// fetchPage makes one request.
func fetchPage(ctx context.Context, tr http.RoundTripper, at *url.URL, host string, out *check.Out) (p page) {
	start := time.Now()
	t := &tracer{since: start}
	defer func() {
		p.phases = t.measured()
		p.total = time.Since(start)
	}()
	req, err := http.NewRequestWithContext(t.traced(ctx), http.MethodGet, at.String(), nil)
	if err != nil {
		return page{err: err}
	}
	req.Host = host
	req.Header.Set("User-Agent", "caisey")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return page{err: err}
	}
	defer resp.Body.Close()
	first := time.Now()
	head, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	p.size = int64(len(head))
	if err == nil {
		var more int64
		more, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxPage))
		p.size += more
	}
	p.err, p.code, p.read, p.title = err, resp.StatusCode, time.Since(first), titleOf(head)
	out.Raw(rawHead(resp))
	out.Raw(head)
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		p.location = to
	}
	return p
}

// rawHead is the response's head, without cookies: they can be keys.
func rawHead(resp *http.Response) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\r\n", resp.Proto, resp.Status)
	_ = resp.Header.WriteSubset(&b, map[string]bool{"Set-Cookie": true})
	b.WriteString("\r\n")
	return []byte(b.String())
}

func titleOf(head []byte) string {
	m := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`).FindSubmatch(head)
	if m == nil {
		return ""
	}
	return strings.Join(strings.Fields(string(m[1])), " ")
}

func (p page) tell(at *url.URL, out *check.Out) int {
	var code, size, to any
	if p.code != 0 {
		code, size = p.code, p.size
	}
	if p.location != nil {
		to = p.location.String()
	}
	row := out.Row(at.String(), text(p.ip), code, ms(p.dns), ms(p.connect), ms(p.tls), ms(p.wait), ms(p.read), ms(p.total), size, text(p.title), to)
	if p.ip != "" {
		out.Edge(check.Edge{Kind: shape.ConnectsTo, To: hostOf(at), Label: at.Scheme, Row: row})
	}
	return row
}

func (p page) find(at *url.URL, total time.Duration, rows []int, in check.Input, out *check.Out) {
	switch {
	case p.err != nil:
		var fail *tls.CertificateVerificationError
		what := reason(p.err)
		if errors.As(p.err, &fail) {
			what = fail.Err.Error()
		}
		out.Find(check.Finding{Severity: check.Crit, Rows: rows, Text: fmt.Sprintf("no page from %s: %s", at.Host, what)})
	case p.code >= 500:
		out.Find(check.Finding{Severity: check.Crit, Value: p.code, Rows: rows, Text: fmt.Sprintf("%s answers %d %s", at.Host, p.code, http.StatusText(p.code))})
	}
	if total > in.Duration("slow") {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "slow", Value: total.Seconds(), Threshold: in.Duration("slow").Seconds(), Unit: "s", Rows: rows,
			Text: fmt.Sprintf("%s takes %s, over %v", at.Host, shape.Span(total.Seconds()), in.Duration("slow")),
		})
	}
}
