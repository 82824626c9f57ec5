package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// channel declares ad.channel.
func channel() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "ad.channel",
			Summary: "whether this machine's trust with its domain holds, and which controller it uses",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "domain", Summary: "the domain; this machine's if none is given", Type: shape.AHost},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "test", Type: shape.Text},
				{Name: "dc", Type: shape.Text},
				{Name: "site", Type: shape.Text},
				{Name: "ok", Type: shape.Bool},
				{Name: "code", Type: shape.Int},
				{Name: "detail", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 10,
			Source:  "the exit codes of wbinfo -t and net ads testjoin; the controller from wbinfo --dsgetdcname",
		},
		Run: runChannel,
	}
}

func runChannel(ctx context.Context, in check.Input, out *check.Out) error {
	_, ping := check.Tool(ctx, nil, "wbinfo", "-p")
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var missing *check.UnknownError
	if errors.As(ping, &missing) {
		return ping
	}
	if ping != nil {
		return check.Unknown("winbindd does not answer: this machine is no member of a domain by Samba, or winbindd does not run")
	}
	dc, site, ours := controller(ctx, in.Text("domain"), out)
	args := []string{"-t"}
	if in.Has("domain") {
		args = append(args, "--domain="+in.Text("domain"))
	}
	_, trust := check.Tool(ctx, out, "wbinfo", args...)
	tellTrust("secure channel", dc, site, trust, in.Text("domain"), out)
	if _, join := check.Tool(ctx, out, "net", "ads", "testjoin"); !errors.As(join, &missing) {
		tellTrust("join", dc, site, join, "", out)
	}
	if site != "" && ours != "" && site != ours {
		out.Find(check.Finding{Severity: check.Warn, Value: site, Rows: []int{0}, Text: fmt.Sprintf("the controller %s is in the site %s, and this machine in %s", dc, site, ours)})
	}
	return ctx.Err()
}

// controller asks winbindd for the one that it would use. The lines of the answer have
// an order: name, address, kind of address, GUID, domain, forest, flags, its site, ours.
func controller(ctx context.Context, domain string, out *check.Out) (dc, site, ours string) {
	if domain == "" { // by its name in DNS: with the short one the answer has no sites
		b, err := check.Tool(ctx, nil, "testparm", "-s", "--parameter-name=realm")
		domain = strings.ToLower(strings.TrimSpace(string(b)))
		if err != nil || domain == "" {
			return "", "", ""
		}
	}
	b, err := check.Tool(ctx, out, "wbinfo", "--dsgetdcname="+domain)
	lines := strings.Split(string(b), "\n")
	const name, theirSite, ourSite, least = 0, 7, 8, 9
	if err != nil || len(lines) < least {
		return "", "", ""
	}
	known := func(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), "(null)") }
	return strings.TrimLeft(known(lines[name]), `\`), known(lines[theirSite]), known(lines[ourSite])
}

func tellTrust(test, dc, site string, err error, domain string, out *check.Out) {
	var detail, code any
	code = 0
	var failed *check.ToolError
	if errors.As(err, &failed) {
		detail, code = text(failed.Stderr), exitCode(failed)
	}
	row := out.Row(test, text(dc), text(site), err == nil, code, detail)
	out.Edge(check.Edge{Kind: shape.LogonServer, To: dc, Label: domain, Row: row})
	if err != nil {
		out.Find(check.Finding{Severity: check.Crit, Value: code, Rows: []int{row}, Text: fmt.Sprintf("the %s with the domain is broken: %v", test, err)})
	}
}
