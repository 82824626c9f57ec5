package directory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// share declares smb.share.
func share() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "smb.share",
			Summary: "whether a file server lets one list a share, and how long that takes",
			Effect:  sessionlog.EffectProbe,
			Params: []check.Param{
				{Name: "server", Summary: "the server", Type: shape.AHost, Required: true, Complete: "net.conns:peer"},
				{Name: "share", Summary: "the share; the list of shares if none is given", Type: shape.AText},
				{Name: "port", Summary: "its port", Type: shape.APort, Default: "445"},
				{Name: "secret", Summary: "the secret with USER, PASSWORD and perhaps DOMAIN; nobody if none is named", Type: shape.ASecret},
				{Name: "timeout", Summary: "how long to wait for a connection", Type: shape.ADuration, Default: "5s", Max: 30},
				{Name: "slow", Summary: "how long all of it may take", Type: shape.ADuration, Default: "1s", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "server", Type: shape.Text},
				{Name: "share", Type: shape.Text},
				{Name: "connect", Type: shape.Number, Unit: "ms"},
				{Name: "list", Type: shape.Number, Unit: "ms"}, // with the logon
				{Name: "ok", Type: shape.Bool},
				{Name: "code", Type: shape.Text},
			}}},
			Timeout: 60,
			MaxRows: 1,
			Source:  "a TCP connection, then smbclient: -L, or ls in the share; the code is the NTSTATUS that it names",
		},
		Run: runShare,
	}
}

func runShare(ctx context.Context, in check.Input, out *check.Out) error {
	name := in.Text("share")
	if strings.ContainsAny(name, "/\\\"'; \t\n") {
		return check.Unknown("%q is not the name of a share", name)
	}
	host := in.Text("server")
	start := time.Now()
	if err := reach(ctx, hostPort(host, in.Int("port")), in.Duration("timeout")); err != nil {
		row := out.Row(host, text(name), nil, nil, false, err.Error())
		out.Find(check.Finding{Severity: check.Crit, Value: host, Rows: []int{row}, Text: fmt.Sprintf("the file server %s is not reached: %v", host, err)})
		return nil
	}
	connect := time.Since(start)
	who, done, err := smbLogon(in)
	if err != nil {
		return err
	}
	defer done()
	args := append([]string{"-g", "-p", in.Text("port")}, who...)
	if name == "" {
		args = append(args, "-L", host)
	} else {
		args = append(args, "-c", "ls", "//"+host+"/"+name)
	}
	start = time.Now()
	said, err := check.Tool(ctx, out, "smbclient", args...)
	list := time.Since(start)
	var missing *check.UnknownError
	if errors.As(err, &missing) || ctx.Err() != nil {
		return err
	}
	tellShare(in, connect, list, said, err, out)
	return nil
}

// smbLogon returns smbclient's arguments that say as whom. A password goes through a
// file that only we may read, which done removes.
func smbLogon(in check.Input) (args []string, done func(), err error) {
	if !in.Has("secret") {
		return []string{"-N"}, func() {}, nil
	}
	s, err := in.Secrets.Get(in.Text("secret"))
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "caisey-smb-") // 0700
	if err != nil {
		return nil, nil, fmt.Errorf("make a file for smbclient: %w", err)
	}
	done = func() { _ = os.RemoveAll(dir) }
	path := filepath.Join(dir, "auth")
	lines := "username = " + s["USER"] + "\npassword = " + s["PASSWORD"] + "\n"
	if s["DOMAIN"] != "" {
		lines += "domain = " + s["DOMAIN"] + "\n"
	}
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		done()
		return nil, nil, fmt.Errorf("make a file for smbclient: %w", err)
	}
	return []string{"-A", path}, done, nil
}

func tellShare(in check.Input, connect, list time.Duration, said []byte, err error, out *check.Out) {
	at := `\\` + in.Text("server")
	if in.Has("share") {
		at += `\` + in.Text("share")
	}
	code := "NT_STATUS_OK"
	if err != nil {
		code = err.Error()
		var failed *check.ToolError
		words := string(said)
		if errors.As(err, &failed) {
			words += failed.Stderr
		}
		if status := regexp.MustCompile(`NT_STATUS_[A-Z_]+`).FindString(words); status != "" {
			code = status
		}
	}
	row := out.Row(in.Text("server"), text(in.Text("share")), ms(connect), ms(list), err == nil, code)
	out.Edge(check.Edge{Kind: shape.ConnectsTo, To: hostPort(in.Text("server"), in.Int("port")), Label: in.Text("share"), Row: row})
	if err != nil {
		out.Find(check.Finding{Severity: check.Crit, Value: code, Rows: []int{row}, Text: fmt.Sprintf("%s cannot be listed: %s", at, code)})
	}
	if total := connect + list; total > in.Duration("slow") {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "slow", Value: total.Seconds(), Threshold: in.Duration("slow").Seconds(), Unit: "s", Rows: []int{row},
			Text: fmt.Sprintf("%s takes %s to list, over %v", at, shape.Span(total.Seconds()), in.Duration("slow")),
		})
	}
}
