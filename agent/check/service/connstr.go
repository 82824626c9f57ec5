package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// maxConns is the most connection strings of one file that are looked at.
const maxConns = 50

// connstr declares conf.connstr.
func connstr() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "conf.connstr",
			Summary: "where a program's configuration connects to, and whether that answers",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "file", Summary: "the configuration file", Type: shape.APath, Required: true},
				{Name: "key", Summary: "the setting, as SECTION.KEY; all that look like a connection string if not given", Type: shape.AText, Complete: "conf.connstr:key"},
				{Name: "format", Summary: "how the file is written", Type: shape.AnEnum, Values: []string{"auto", "ini", "env", "json", "yaml", "xml"}, Default: "auto"},
				{Name: "connect", Summary: "whether to connect", Type: shape.ABool, Default: "yes"},
				{Name: "wait", Summary: "how long an answer may take", Type: shape.ADuration, Default: "3s", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "key", Type: shape.Text},
				{Name: "kind", Type: shape.Text},
				{Name: "server", Type: shape.Text},
				{Name: "port", Type: shape.Int},
				{Name: "db", Type: shape.Text},
				{Name: "user", Type: shape.Text},
				{Name: "auth", Type: shape.Text},
				{Name: "resolves", Type: shape.Text},
				{Name: "connects", Type: shape.Bool},
				{Name: "took", Type: shape.Duration},
				{Name: "why", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 200,
			Source:  "the file itself; the system's resolver; a TCP or Unix connection that is closed at once. Passwords are not kept, and nobody logs in",
		},
		Run: runConnstr,
	}
}

func runConnstr(ctx context.Context, in check.Input, out *check.Out) error {
	name := in.Text("file")
	settings, err := loadSettings(name, in.Text("format"))
	if errors.Is(err, fs.ErrNotExist) {
		out.Find(check.Finding{Severity: check.Crit, Text: "there is no file " + name})
		return nil
	}
	if err != nil {
		return err
	}
	conns, found := connsIn(settings, in.Text("key"))
	if in.Has("key") && len(conns) == 0 {
		if found {
			return check.Unknown("what %s has in %s is no connection string that is known", in.Text("key"), name)
		}
		out.Find(check.Finding{Severity: check.Crit, Text: fmt.Sprintf("%s has no setting %s", name, in.Text("key"))})
		return nil
	}
	secret := false
	for _, c := range conns {
		secret = secret || c.password
		out.Raw(fmt.Appendf(nil, "%s: %s = %s\n", name, c.key, c.masked()))
		for _, s := range c.servers {
			c.tell(ctx, in, out, s)
		}
	}
	if secret && readableByAll(name) {
		out.Find(check.Finding{Severity: check.Warn, Text: name + " holds a password and every user of the machine may read it"})
	}
	return ctx.Err()
}

// connsIn returns the connections of the settings of that key, or of all, and whether
// there are such settings.
func connsIn(settings []setting, key string) (conns []conn, found bool) {
	for i, s := range settings {
		if key != "" && !s.is(key) {
			continue
		}
		found = true
		c, ok := parseConn(s.value)
		if !ok {
			c, ok = connOfParts(settings, i)
		}
		if ok && len(conns) < maxConns {
			c.key = s.key
			conns = append(conns, c)
		}
	}
	return conns, found
}

func readableByAll(name string) bool {
	info, err := os.Stat(name)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0
}

// tell tells the row of one server of the connection, and whether it answers.
func (c conn) tell(ctx context.Context, in check.Input, out *check.Out, s server) {
	a := answer{why: "not asked"}
	if in.Bool("connect") {
		a = try(ctx, s, in.Duration("wait"))
	}
	row := out.Row(c.key, c.kind, text(s.name()), number(s.port), text(c.db), text(c.user), text(c.auth),
		text(strings.Join(a.addrs, " ")), a.connects, a.took, text(a.why))
	label := c.kind
	if c.db != "" {
		label += " " + c.db
	}
	out.Edge(check.Edge{Kind: shape.ConnectsTo, To: s.String(), Label: label, Row: max(row, 0)})
	if a.fault == "" {
		return
	}
	f := check.Finding{
		Severity: check.Crit, Value: s.String(), Rows: []int{row},
		Text: fmt.Sprintf("%s: %s %s", c.key, s, a.fault),
	}
	if a.slow {
		f.Param, f.Value, f.Threshold = "wait", a.took, in.Duration("wait").Seconds()
		if took, ok := a.took.(time.Duration); ok {
			f.Value = took.Seconds()
		}
	}
	out.Find(f)
}
