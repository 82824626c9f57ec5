package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strconv"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// notRun ends the sources of mssql.*: nobody should take them for proved.
const notRun = "; never run against a real SQL Server"

// An opener connects to the server that is asked for.
type opener func(ctx context.Context, in check.Input, out *check.Out) (*server, error)

// mssqlParams are the parameters that name a SQL Server.
func mssqlParams(more ...check.Param) []check.Param {
	return append(append(placeParams("1433"),
		check.Param{Name: "instance", Summary: "a named instance, whose port the SQL Browser tells (UDP 1434)", Type: shape.AText},
		check.Param{
			Name: "tls", Summary: "the server's certificate: verify, or trust any; trust if not given and the server is this machine", Type: shape.AnEnum,
			Values: []string{"verify", "trust"},
		}), more...)
}

// mssqlSpec is what the declarations of mssql.* share.
func mssqlSpec(name, summary, source string, tables []check.Table, params ...check.Param) check.Spec {
	return check.Spec{
		Name: name, Summary: summary, Effect: sessionlog.EffectRead, Roles: []string{"db", "app"},
		Params: mssqlParams(params...), Tables: tables, Timeout: 20, MaxRows: 1000, Source: source + notRun,
	}
}

// mssqlCheck returns a check that connects and tells.
func mssqlCheck(open opener, spec check.Spec, tell func(context.Context, *server) error) check.Check {
	return check.Check{Spec: spec, Run: func(ctx context.Context, in check.Input, out *check.Out) error {
		s, err := open(ctx, in, out)
		if err != nil {
			return err
		}
		defer s.db.Close()
		if err := s.mayLook(ctx); err != nil {
			return err
		}
		return mssqlMissing(tell(ctx, s))
	}}
}

// mssqlMissing says which right is missing, if one is.
func mssqlMissing(err error) error {
	var said mssql.Error
	if errors.As(err, &said) && slices.Contains([]int32{229, 297, 300, 371, 916}, said.Number) {
		return check.Unknown("the login lacks a right: %v", err)
	}
	return err
}

// openMSSQL connects: as the service's account on Windows, else with a secret.
func openMSSQL(ctx context.Context, in check.Input, out *check.Out) (*server, error) {
	p, err := placeOf(in)
	if err != nil {
		return nil, err
	}
	if p.password == "" && runtime.GOOS != "windows" {
		return nil, check.Unknown("SQL Server knows no user of this system: give secret=NAME with user and password of a login that has VIEW SERVER STATE")
	}
	cfg, err := msdsn.Parse(mssqlURL(p, in))
	if err != nil {
		return nil, check.Unknown("these are not the parameters of a connection") // err may have the password
	}
	db := sql.OpenDB(mssql.NewConnectorConfig(cfg))
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, mssqlRefused(p, in, out, err)
	}
	p.tell(out, "mssql")
	return &server{place: p, name: "SQL Server", db: db, in: in, out: out}, nil
}

func mssqlURL(p place, in check.Input) string {
	host := p.host
	if host == "" {
		host = "localhost"
	}
	u := url.URL{Scheme: "sqlserver", Host: net.JoinHostPort(host, strconv.Itoa(p.port)), Path: in.Text("instance")}
	if in.Has("instance") && !in.Given("port") {
		u.Host = host // the SQL Browser tells the port
	}
	if p.user != "" && p.password != "" {
		u.User = url.UserPassword(p.user, p.password)
	}
	q := url.Values{}
	q.Set("app name", "caisey-agent")
	q.Set("dial timeout", strconv.Itoa(int(dialWait.Seconds())))
	q.Set("connection timeout", "15")
	q.Set("encrypt", "true")
	trust := in.Text("tls") == "trust" || !in.Has("tls") && isHere(p.host)
	q.Set("trustservercertificate", strconv.FormatBool(trust))
	if p.database != "" {
		q.Set("database", p.database)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// mssqlRefused says why there is no connection.
func mssqlRefused(p place, in check.Input, out *check.Out, err error) error {
	at := p.name()
	if in.Has("instance") {
		at += `\` + in.Text("instance")
	}
	var said mssql.Error
	if !errors.As(err, &said) {
		return check.Unknown("cannot connect to SQL Server at %s: %v", at, err)
	}
	switch said.Number {
	case 17809, 17810, 10928, 10929: // no connection is left
		out.Find(check.Finding{Severity: check.Crit, Value: said.Number, Text: fmt.Sprintf("SQL Server at %s takes no connection: %s", at, said.Message)})
	case 18456:
		return check.Unknown("SQL Server at %s refuses the login: %s: give the agent's account a login with VIEW SERVER STATE, or secret=NAME", at, said.Message)
	}
	return check.Unknown("SQL Server at %s refuses the connection: %s (%d)", at, said.Message, said.Number)
}

// mayLook reports whether the login sees more than itself.
func (s *server) mayLook(ctx context.Context) error {
	var may *int64
	var login string
	if err := s.one(ctx, mssqlMayLook, &may, &login); err != nil {
		return err
	}
	if value(may) != 1 {
		return check.Unknown("the login %s lacks VIEW SERVER STATE: GRANT VIEW SERVER STATE TO [%s]", login, login)
	}
	return nil
}

const mssqlMayLook = `SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE'), SUSER_SNAME()`
