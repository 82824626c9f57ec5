package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/miekg/dns"
)

// resolve declares dns.resolve.
func resolve() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "dns.resolve",
			Summary: "what each name server answers about a name, and whether they agree",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "name", Summary: "the name; of an address its reverse is asked for", Type: shape.AHost, Required: true},
				{Name: "type", Summary: "the type of record", Type: shape.AnEnum, Values: []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}, Default: "A"},
				{Name: "servers", Summary: "name servers, ADDRESS or ADDRESS:PORT; this machine's if none is named", Type: shape.AList, Complete: "dns.resolve:server"},
				{Name: "timeout", Summary: "how long to wait for an answer", Type: shape.ADuration, Default: "3s", Max: 30},
				{Name: "slow", Summary: "how long an answer may take", Type: shape.ADuration, Default: "500ms", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "server", Type: shape.Text},
				{Name: "rcode", Type: shape.Text},
				{Name: "answers", Type: shape.Text},
				{Name: "ttl", Type: shape.Int, Unit: "s"},
				{Name: "ms", Type: shape.Number, Unit: "ms"},
				{Name: "aa", Type: shape.Bool},
				{Name: "reason", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 100,
			Source:  "one question to each name server over UDP, over TCP if the answer is truncated",
		},
		Run: runResolve,
	}
}

func runResolve(ctx context.Context, in check.Input, out *check.Out) error {
	servers := in.List("servers")
	if len(servers) == 0 {
		var err error
		if servers, err = nameServers(); err != nil {
			return err
		}
	}
	if len(servers) == 0 {
		return check.Unknown("this machine has no name server: name some with servers=")
	}
	servers = servers[:min(len(servers), maxServers)]
	q := question(in.Text("name"), in.Text("type"))
	answers := make([]answer, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { answers[i] = ask(ctx, q, s, in.Duration("timeout")) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range answers {
		answers[i].tell(q, in, out)
	}
	compare(answers, in.Text("name"), out)
	return nil
}

// maxServers is how many servers are asked.
const maxServers = 64

// question makes the message.
func question(name, kind string) *dns.Msg {
	t := dns.StringToType[kind]
	if ip := net.ParseIP(name); ip != nil {
		if reverse, err := dns.ReverseAddr(name); err == nil {
			name, t = reverse, dns.TypePTR
		}
	}
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), t)
	m.SetEdns0(1232, false)
	return m
}

// An answer is what one server said.
type answer struct {
	server string
	msg    *dns.Msg
	took   time.Duration
	err    error
	row    int
}

// ask asks one server.
func ask(ctx context.Context, q *dns.Msg, server string, wait time.Duration) answer {
	a := answer{server: server}
	addr := server
	if _, _, err := net.SplitHostPort(server); err != nil {
		addr = net.JoinHostPort(strings.Trim(server, "[]"), "53")
	}
	a.msg, a.took, a.err = exchange(ctx, q, "udp", addr, wait)
	if a.err == nil && a.msg.Truncated {
		a.msg, a.took, a.err = exchange(ctx, q, "tcp", addr, wait)
	}
	return a
}

// exchange asks once. It ends with ctx, for which the library alone does not look.
func exchange(ctx context.Context, q *dns.Msg, proto, addr string, wait time.Duration) (*dns.Msg, time.Duration, error) {
	c := dns.Client{Net: proto, Timeout: wait}
	conn, err := c.DialContext(ctx, addr)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return c.ExchangeWithConnContext(ctx, q.Copy(), conn)
}

// rcode is the server's word for what came of it.
func (a answer) rcode() string {
	var timeout net.Error
	switch {
	case a.err == nil:
		return dns.RcodeToString[a.msg.Rcode]
	case isRefused(a.err):
		return "refused"
	case errors.As(a.err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "failed"
}

// values are the answer's data, in order, and their least time to live.
func (a answer) values() (list []string, ttl any) {
	if a.err != nil {
		return nil, nil
	}
	least := uint32(0)
	for i, rr := range a.msg.Answer {
		h := rr.Header()
		if i == 0 || h.Ttl < least {
			least = h.Ttl
		}
		list = append(list, strings.TrimPrefix(rr.String(), h.String()))
	}
	slices.Sort(list)
	if len(list) == 0 {
		return nil, nil
	}
	return list, least
}

// tell adds the row, the edges and what is wrong with the one answer.
func (a *answer) tell(q *dns.Msg, in check.Input, out *check.Out) {
	list, ttl := a.values()
	var aa, why, ms any
	if a.err != nil {
		why = reason(a.err)
	} else {
		out.Raw([]byte(";; " + a.server + "\n" + a.msg.String() + "\n"))
		aa, ms = a.msg.Authoritative, float64(a.took)/float64(time.Millisecond)
	}
	a.row = out.Row(a.server, a.rcode(), text(strings.Join(list, " ")), ttl, ms, aa, why)
	name := strings.TrimSuffix(q.Question[0].Name, ".")
	if code := a.rcode(); code != "NOERROR" {
		out.Find(check.Finding{
			Severity: check.Crit, Value: code, Rows: []int{a.row},
			Text: fmt.Sprintf("%s answers %s for %s", a.server, code, name),
		})
		return
	}
	for _, rr := range a.msg.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			out.Edge(check.Edge{Kind: shape.ResolvesTo, From: name, To: rr.A.String(), Label: a.server, Row: a.row})
		case *dns.AAAA:
			out.Edge(check.Edge{Kind: shape.ResolvesTo, From: name, To: rr.AAAA.String(), Label: a.server, Row: a.row})
		case *dns.CNAME:
			out.Edge(check.Edge{Kind: shape.ResolvesTo, From: name, To: strings.TrimSuffix(rr.Target, "."), Label: a.server, Row: a.row})
		}
	}
	if len(list) == 0 {
		out.Find(check.Finding{Severity: check.Warn, Rows: []int{a.row}, Text: fmt.Sprintf("%s knows %s but has no such record of it", a.server, name)})
	}
	if a.took > in.Duration("slow") {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "slow", Value: a.took.Seconds(), Threshold: in.Duration("slow").Seconds(), Unit: "s", Rows: []int{a.row},
			Text: fmt.Sprintf("%s takes %d ms to answer, over %v", a.server, a.took.Milliseconds(), in.Duration("slow")),
		})
	}
}

// compare finds servers that answer differently.
func compare(answers []answer, name string, out *check.Out) {
	said := map[string][]int{}
	for _, a := range answers {
		if a.err == nil {
			list, _ := a.values()
			key := a.rcode() + " " + strings.Join(list, " ")
			said[key] = append(said[key], a.row)
		}
	}
	if len(said) < 2 {
		return
	}
	var rows []int
	for _, r := range said {
		rows = append(rows, r...)
	}
	slices.Sort(rows)
	out.Find(check.Finding{
		Severity: check.Warn, Value: len(said), Rows: rows,
		Text: fmt.Sprintf("the servers give %d different answers for %s", len(said), name),
	})
}
