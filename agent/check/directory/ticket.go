package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// ticket declares krb.ticket.
func ticket() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "krb.ticket",
			Summary: "gets a Kerberos ticket for a service, and tells its encryption, times and key version",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "spn", Summary: "the service, as in HTTP/www.example.com", Type: shape.AText, Required: true, Complete: "krb.ticket:spn"},
				{Name: "secret", Summary: "the secret with PRINCIPAL, REALM, and KEYTAB or PASSWORD", Type: shape.ASecret, Required: true},
				{Name: "kdc", Summary: "KDCs, HOST or HOST:PORT; those in DNS if none is named", Type: shape.AList, Complete: "krb.kdc:kdc"},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "spn", Type: shape.Text},
				{Name: "etype", Type: shape.Text},
				{Name: "start", Type: shape.Time},
				{Name: "end", Type: shape.Time},
				{Name: "kvno", Type: shape.Int},
				{Name: "code", Type: shape.Int},
				{Name: "reason", Type: shape.Text},
				{Name: "ms", Type: shape.Number, Unit: "ms"},
			}}},
			Timeout: 60,
			MaxRows: 4,
			Source:  "an AS and a TGS exchange with the endpoint's keytab, over TCP",
		},
		Run: runTicket,
	}
}

func runTicket(ctx context.Context, in check.Input, out *check.Out) error {
	secret, err := in.Secrets.Get(in.Text("secret"))
	if err != nil {
		return err
	}
	c, err := kerberosClient(secret, in.Text("secret"), in.List("kdc"))
	if err != nil {
		return err
	}
	defer c.Destroy()
	tickets := make(chan messages.TGSRep, 1)
	start := time.Now()
	err = within(ctx, func() error {
		rep, err := getTicket(c, in.Text("spn"))
		tickets <- rep
		return err
	})
	took := time.Since(start)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		tellRefused(in.Text("spn"), err, took, out)
		return nil
	}
	rep := <-tickets
	e := rep.DecryptedEncPart
	begin := e.StartTime
	if begin.IsZero() {
		begin = e.AuthTime
	}
	row := out.Row(in.Text("spn"), etypeName(rep.Ticket.EncPart.EType), begin, e.EndTime, rep.Ticket.EncPart.KVNO, 0, nil, ms(took))
	if rep.Ticket.EncPart.EType == etypeID.RC4_HMAC {
		out.Find(check.Finding{Severity: check.Info, Value: "rc4-hmac", Rows: []int{row}, Text: fmt.Sprintf("the ticket for %s is encrypted with RC4", in.Text("spn"))})
	}
	return nil
}

// getTicket logs on and asks for the ticket.
func getTicket(c *client.Client, spn string) (messages.TGSRep, error) {
	realm := c.Credentials.Realm()
	req, err := messages.NewASReqForTGT(realm, c.Config, c.Credentials.CName())
	if err != nil {
		return messages.TGSRep{}, err
	}
	as, err := c.ASExchange(realm, req, 0)
	if err != nil {
		return messages.TGSRep{}, fmt.Errorf("log on: %w", err)
	}
	name := types.NewPrincipalName(nametype.KRB_NT_SRV_INST, spn)
	_, rep, err := c.TGSREQGenerateAndExchange(name, realm, as.Ticket, as.DecryptedEncPart.Key, false)
	if err != nil {
		return rep, fmt.Errorf("ask for %s: %w", spn, err)
	}
	return rep, nil
}

func tellRefused(spn string, err error, took time.Duration, out *check.Out) {
	f := check.Finding{Severity: check.Crit, Text: fmt.Sprintf("no ticket for %s: %v", spn, err)}
	var cell any
	if code, ok := errorCode(err); ok {
		cell, f.Value = code, code
		f.Text = fmt.Sprintf("no ticket for %s: error %d: %s", spn, code, meaningOf(code))
	}
	f.Rows = []int{out.Row(spn, nil, nil, nil, nil, cell, err.Error(), ms(took))}
	out.Find(f)
}

// etypeName is the name of an encryption type.
func etypeName(id int32) string {
	switch id {
	case etypeID.AES128_CTS_HMAC_SHA1_96:
		return "aes128-cts-hmac-sha1-96"
	case etypeID.AES256_CTS_HMAC_SHA1_96:
		return "aes256-cts-hmac-sha1-96"
	case etypeID.AES128_CTS_HMAC_SHA256_128:
		return "aes128-cts-hmac-sha256-128"
	case etypeID.AES256_CTS_HMAC_SHA384_192:
		return "aes256-cts-hmac-sha384-192"
	case etypeID.RC4_HMAC:
		return "rc4-hmac"
	}
	return fmt.Sprintf("etype %d", id)
}
