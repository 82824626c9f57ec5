package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mysqlSockets are where MariaDB and MySQL have their socket.
func mysqlSockets() []string {
	return []string{"/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"}
}

// mysqlParams are the parameters that name a MariaDB or MySQL server.
func mysqlParams() []check.Param {
	return append(placeParams("3306"),
		check.Param{Name: "socket", Summary: "its socket; looked for in the usual places if not given", Type: shape.APath},
		check.Param{
			Name: "tls", Summary: "over TCP: prefer, require, or verify-full", Type: shape.AnEnum,
			Values: []string{"prefer", "require", "verify-full"}, Default: "prefer",
		})
}

// openMySQL connects. Why it cannot is an UnknownError, and a finding where the server
// is there and takes no connections.
func openMySQL(ctx context.Context, in check.Input, out *check.Out) (*server, error) {
	p, err := placeOf(in)
	if err != nil {
		return nil, err
	}
	cfg, err := mysqlConfig(p, in)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, check.Unknown("these are not the parameters of a connection") // err may have the password
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, mysqlRefused(cfg, out, err)
	}
	p.tell(out, "mysql")
	return &server{place: p, name: "MySQL", db: db, in: in, out: out}, nil
}

func mysqlConfig(p place, in check.Input) (*mysql.Config, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = p.user, p.password, p.database
	if cfg.User == "" {
		cfg.User = ownUser()
	}
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = dialWait, 15*time.Second, dialWait
	cfg.Logger = &mysql.NopLogger{}
	cfg.ConnectionAttributes = "program_name:caisey-agent"
	cfg.Net, cfg.Addr = "unix", in.Text("socket")
	found := cfg.Addr != ""
	if !found && p.host == "" {
		cfg.Addr, found = firstFile(mysqlSockets())
		if !found && !in.Has("secret") {
			return nil, check.Unknown("no MariaDB or MySQL has a socket in %s: give socket=PATH, or host=localhost with secret=NAME", strings.Join(mysqlSockets(), ", "))
		}
	}
	if found && p.host == "" {
		return cfg, nil
	}
	host := p.host
	if host == "" {
		host = "127.0.0.1"
	}
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(host, strconv.Itoa(p.port))
	cfg.TLSConfig = map[string]string{"prefer": "preferred", "require": "skip-verify", "verify-full": "true"}[in.Text("tls")]
	return cfg, nil
}

// mysqlRefused says why there is no connection.
func mysqlRefused(cfg *mysql.Config, out *check.Out, err error) error {
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		return check.Unknown("cannot connect to MariaDB or MySQL at %s: %v", cfg.Addr, err)
	}
	switch said.Number {
	case 1040, 1203: // too many connections, of all or of this user
		out.Find(check.Finding{Severity: check.Crit, Value: said.Number, Text: fmt.Sprintf("the server at %s takes no connection: %s", cfg.Addr, said.Message)})
		return check.Unknown("the server at %s takes no connection (%d)", cfg.Addr, said.Number)
	case 1045, 1698, 1130:
		return check.Unknown("the server at %s refuses %s: %s: CREATE USER for the agent's user IDENTIFIED VIA unix_socket with PROCESS, SLAVE MONITOR and SELECT on sys, or give secret=NAME", cfg.Addr, cfg.User, said.Message)
	}
	return check.Unknown("the server at %s refuses the connection: %s (%d)", cfg.Addr, said.Message, said.Number)
}
