package directory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// kdc declares krb.kdc.
func kdc() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "krb.kdc",
			Summary: "whether the KDCs of a realm answer, and how far their clocks are off",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "realm", Summary: "the realm; that of this machine's domain if none is given", Type: shape.AHost},
				{Name: "kdc", Summary: "its KDCs, HOST or HOST:PORT; those in DNS if none is named", Type: shape.AList, Complete: "krb.kdc:kdc"},
				{Name: "user", Summary: "who asks for a ticket; it needs no password and need not exist", Type: shape.AText, Default: "caisey-probe"},
				{Name: "timeout", Summary: "how long to wait for an answer", Type: shape.ADuration, Default: "3s", Max: 30},
				{Name: "offset", Summary: "how far the clocks may be apart", Type: shape.ADuration, Default: "5m", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "kdc", Type: shape.Text},
				{Name: "proto", Type: shape.Text},
				{Name: "reply", Type: shape.Text},
				{Name: "server_time", Type: shape.Time},
				{Name: "offset", Type: shape.Duration},
				{Name: "ms", Type: shape.Number, Unit: "ms"},
				{Name: "reason", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 200,
			Source:  "one AS-REQ without a secret to each KDC, over UDP and TCP: the KRB-ERROR carries the KDC's clock",
		},
		Run: runKDC,
	}
}

func runKDC(ctx context.Context, in check.Input, out *check.Out) error {
	realm := strings.ToUpper(in.Text("realm"))
	if realm == "" {
		realm = strings.ToUpper(ownDomain())
	}
	if realm == "" {
		return check.Unknown("this machine's name has no domain: name a realm with realm=")
	}
	kdcs := in.List("kdc")
	if len(kdcs) == 0 {
		_, list, err := net.DefaultResolver.LookupSRV(ctx, "kerberos", "tcp", realm)
		if err != nil {
			return check.Unknown("the KDCs of %s are not in DNS: name some with kdc= (%v)", realm, err)
		}
		for _, s := range list {
			kdcs = append(kdcs, hostPort(strings.TrimSuffix(s.Target, "."), int(s.Port)))
		}
	}
	req, err := asRequest(realm, in.Text("user"))
	if err != nil {
		return err
	}
	replies := make([]kdcReply, 2*min(len(kdcs), maxKDCs))
	var wg sync.WaitGroup
	for i := range replies {
		replies[i] = kdcReply{kdc: kdcs[i/2], proto: []string{"udp", "tcp"}[i%2]}
		wg.Go(func() { replies[i].ask(ctx, req, in.Duration("timeout")) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, r := range replies {
		r.tell(realm, in, out)
	}
	return nil
}

// maxKDCs is how many KDCs are asked.
const maxKDCs = 100

// asRequest makes the message that asks for a ticket.
func asRequest(realm, user string) ([]byte, error) {
	c, err := realmConfig(realm, nil)
	if err != nil {
		return nil, err
	}
	req, err := messages.NewASReqForTGT(realm, c, types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user))
	if err != nil {
		return nil, fmt.Errorf("make AS-REQ: %w", err)
	}
	return req.Marshal()
}

// A kdcReply is what a KDC answered over one protocol.
type kdcReply struct {
	kdc, proto string
	said       messages.KRBError
	ticket     bool // it gave a ticket to whoever asked
	raw        []byte
	at         time.Time // when, by this machine's clock: the middle of the question
	took       time.Duration
	err        error
}

// ask sends the request and reads the reply.
func (r *kdcReply) ask(ctx context.Context, req []byte, wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	start := time.Now()
	r.raw, r.err = exchange(ctx, r.proto, withPort(r.kdc), req)
	r.took = time.Since(start)
	r.at = start.Add(r.took / 2)
	if r.err != nil {
		return
	}
	if r.err = r.said.Unmarshal(r.raw); r.err != nil {
		var rep messages.ASRep
		if rep.Unmarshal(r.raw) == nil {
			r.ticket, r.err = true, nil
		}
	}
}

// exchange sends one message and reads one. Over TCP its length goes before it.
func exchange(ctx context.Context, proto, addr string, req []byte) ([]byte, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, proto, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if proto == "udp" {
		if _, err := c.Write(req); err != nil {
			return nil, err
		}
		b := make([]byte, 1<<16)
		n, err := c.Read(b)
		return b[:n], err
	}
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(req))), req...)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 1<<16 {
		return nil, errors.New("the reply is too long")
	}
	b := make([]byte, n)
	_, err = io.ReadFull(c, b)
	return b, err
}

func (r kdcReply) tell(realm string, in check.Input, out *check.Out) {
	if r.err != nil {
		row := out.Row(r.kdc, r.proto, nil, nil, nil, nil, r.err.Error())
		out.Find(check.Finding{Severity: check.Crit, Value: r.kdc, Rows: []int{row}, Text: fmt.Sprintf("the KDC %s does not answer over %s: %v", r.kdc, r.proto, r.err)})
		return
	}
	out.Raw(fmt.Appendf(nil, "%s %s %x\n", r.kdc, r.proto, r.raw))
	if r.ticket {
		row := out.Row(r.kdc, r.proto, "AS-REP", nil, nil, ms(r.took), nil)
		out.Edge(check.Edge{Kind: shape.LogonServer, To: r.kdc, Label: realm, Row: row})
		return
	}
	clock := r.said.STime.Add(time.Duration(r.said.Susec) * time.Microsecond)
	offset := clock.Sub(r.at)
	code := r.said.ErrorCode
	row := out.Row(r.kdc, r.proto, errorcode.Lookup(code), clock, offset, ms(r.took), text(r.said.EText))
	out.Edge(check.Edge{Kind: shape.LogonServer, To: r.kdc, Label: realm, Row: row})
	switch code {
	case errorcode.KDC_ERR_PREAUTH_REQUIRED, errorcode.KRB_ERR_RESPONSE_TOO_BIG:
	case errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN:
		if in.Given("user") {
			out.Find(check.Finding{Severity: check.Crit, Value: code, Rows: []int{row}, Text: fmt.Sprintf("the KDC %s does not know %s", r.kdc, in.Text("user"))})
		}
	default:
		out.Find(check.Finding{Severity: check.Crit, Value: code, Rows: []int{row}, Text: fmt.Sprintf("the KDC %s answers over %s with error %d: %s", r.kdc, r.proto, code, meaningOf(code))})
	}
	if offset.Abs() > in.Duration("offset") {
		out.Find(check.Finding{
			Severity: check.Crit, Param: "offset", Value: offset.Abs().Seconds(), Threshold: in.Duration("offset").Seconds(), Unit: "s", Rows: []int{row},
			Text: fmt.Sprintf("the clock of the KDC %s is %.0f s off, over %v: Kerberos refuses tickets", r.kdc, offset.Abs().Seconds(), in.Duration("offset")),
		})
	}
}
