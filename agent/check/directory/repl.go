package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// neighbours returns those of the controller that in names.
type neighbours func(ctx context.Context, in check.Input, out *check.Out) ([]neighbour, error)

// logonParams are the parameters of checks that log on to a controller.
func logonParams(more ...check.Param) []check.Param {
	return append(serverParams(
		check.Param{Name: "auth", Summary: "as whom to log on over LDAP", Type: shape.AnEnum, Values: []string{"anonymous", "simple", "kerberos"}, Default: "simple"},
		check.Param{Name: "secret", Summary: "the secret to log on with", Type: shape.ASecret},
		check.Param{Name: "kdc", Summary: "KDCs of kerberos; those in DNS if none is named", Type: shape.AList},
	), more...)
}

func neighbourColumns() []check.Column {
	return []check.Column{
		{Name: "dest", Type: shape.Text},
		{Name: "source", Type: shape.Text},
		{Name: "site", Type: shape.Text},
		{Name: "nc", Type: shape.Text},
		{Name: "direction", Type: shape.Text},
		{Name: "last_success", Type: shape.Time},
		{Name: "last_attempt", Type: shape.Time},
		{Name: "result", Type: shape.Text},
		{Name: "fails", Type: shape.Int},
		{Name: "transport", Type: shape.Text},
	}
}

// replParams are the thresholds of replication.
func replParams() []check.Param {
	return []check.Param{
		{Name: "fails", Summary: "failures in a row that are too many", Type: shape.AnInt, Default: "1", Threshold: true},
		{Name: "within", Summary: "time since the last success within a site that is too long", Type: shape.ADuration, Default: "1h", Threshold: true},
		{Name: "between", Summary: "time since the last success between sites that is too long", Type: shape.ADuration, Default: "24h", Threshold: true},
		{Name: "tombstone", Summary: "the tombstone lifetime", Type: shape.ADuration, Default: "180d", Threshold: true},
	}
}

// replication declares ad.repl. Who has Samba asks it, unless a secret is named.
func replication(samba neighbours) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "ad.repl",
			Summary: "whether a domain controller replicates, with whom, and since when not",
			Effect:  sessionlog.EffectProbe,
			Roles:   []string{"dc"},
			Params:  logonParams(replParams()...),
			Tables:  []check.Table{{Columns: neighbourColumns()}},
			Timeout: 120,
			MaxRows: 5000,
			Source:  "on Samba samba-tool drs showrepl --json; with a secret LDAP's msDS-NCReplInboundNeighbors, which Windows has",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			list := samba
			if in.Has("secret") {
				list = ldapNeighbours
			}
			if list == nil {
				return check.Unknown("no secret is named to log on with: name one with secret=")
			}
			all, err := list(ctx, in, out)
			if err != nil {
				return err
			}
			tellNeighbours(all, "", in, out)
			return nil
		},
	}
}

func tellNeighbours(all []neighbour, table string, in check.Input, out *check.Out) {
	now := time.Now()
	for _, n := range all {
		row := n.tell(out, table)
		if n.direction == "in" {
			n.find(in, out, table, row, now)
		}
	}
}

func (n neighbour) tell(out *check.Out, table string) int {
	row := out.Row(n.dest, n.source, text(n.site), n.nc, n.direction, n.success, n.attempt, text(n.result), n.fails, text(n.transport))
	from, to := n.source, n.dest
	if n.direction == "in" {
		from, to = to, from
	}
	out.Edge(check.Edge{Kind: shape.ReplicatesBy, From: from, To: to, Label: n.nc, Table: table, Row: row})
	return row
}

// find adds what is wrong with an inbound neighbour.
func (n neighbour) find(in check.Input, out *check.Out, table string, row int, now time.Time) {
	what := fmt.Sprintf("%s from %s", n.nc, n.source)
	if least := in.Int("fails"); n.fails >= least {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "fails", Value: n.fails, Threshold: least, Table: table, Rows: []int{row},
			Text: fmt.Sprintf("%s failed %d times in a row: %s", what, n.fails, n.result),
		})
	}
	if n.success.IsZero() {
		if !n.attempt.IsZero() {
			out.Find(check.Finding{Severity: check.Crit, Table: table, Rows: []int{row}, Text: what + " has never replicated"})
		}
		return
	}
	param := "within"
	if n.far() {
		param = "between"
	}
	age := now.Sub(n.success)
	f := check.Finding{Severity: check.Crit, Param: param, Value: age.Seconds(), Unit: "s", Table: table, Rows: []int{row}}
	switch {
	case age > in.Duration("tombstone"):
		f.Param = "tombstone"
		f.Text = fmt.Sprintf("%s last replicated %s ago, over the tombstone lifetime of %s: do not just enable it again", what, shape.Span(age.Seconds()), in.Text("tombstone"))
	case age > in.Duration(param):
		f.Text = fmt.Sprintf("%s last replicated %s ago, over %s", what, shape.Span(age.Seconds()), in.Text(param))
	default:
		return
	}
	f.Threshold = in.Duration(f.Param).Seconds()
	out.Find(f)
}

// far reports whether the other one is known to be in another site.
func (n neighbour) far() bool { return n.transport == "IP" || n.transport == "SMTP" }
