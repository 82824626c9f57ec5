package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// dialWait is how long a connection to a server may take.
const dialWait = 5 * time.Second

// pgSockets are the directories in which PostgreSQL has its socket.
func pgSockets() []string { return []string{"/run/postgresql", "/var/run/postgresql", "/tmp"} }

// pgParams are the parameters that name a PostgreSQL server.
func pgParams() []check.Param {
	return append(placeParams("5432"),
		check.Param{Name: "socket", Summary: "the directory of its socket; looked for in the usual ones if not given", Type: shape.APath},
		check.Param{
			Name: "tls", Summary: "over TCP: prefer (never a password in clear text), require, or verify-full", Type: shape.AnEnum,
			Values: []string{"prefer", "require", "verify-full"}, Default: "prefer",
		})
}

// A pg is a connection to a PostgreSQL server, and where what it tells goes.
type pg struct {
	place
	conn    *pgx.Conn
	in      check.Input
	out     *check.Out
	version int
	// sees says that the role sees what other roles' sessions do.
	sees bool
	role string
}

// openPG connects. Why it cannot is an UnknownError, and a finding where the server is
// there and takes no connections.
func openPG(ctx context.Context, in check.Input, out *check.Out) (*pg, error) {
	p, err := placeOf(in)
	if err != nil {
		return nil, err
	}
	cfg, err := pgConfig(p, in)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, pgRefused(cfg, out, err)
	}
	p.tell(out, "postgresql")
	s := &pg{place: p, conn: conn, in: in, out: out}
	if err := s.begin(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// pgHost returns the host, or the directory of the socket.
func pgHost(p place, in check.Input) (string, error) {
	if p.host != "" {
		return p.host, nil
	}
	if socket := in.Text("socket"); socket != "" {
		if !filepath.IsAbs(socket) || strings.Contains(socket, ",") { // a list names hosts
			return "", check.Unknown("%s is not the directory of a socket", socket)
		}
		return socket, nil
	}
	if path, ok := firstFile(pgSocketFiles(p.port)); ok {
		return filepath.Dir(path), nil
	}
	if in.Has("secret") {
		return "127.0.0.1", nil
	}
	return "", check.Unknown("no PostgreSQL has a socket of port %d in %s: give socket=DIRECTORY, or host=localhost with secret=NAME", p.port, strings.Join(pgSockets(), ", "))
}

// pgConfig says how to connect.
func pgConfig(p place, in check.Input) (*pgx.ConnConfig, error) {
	host, err := pgHost(p, in)
	if err != nil {
		return nil, err
	}
	me, database := p.user, p.database
	if me == "" {
		me = ownUser()
	}
	if database == "" {
		database = "postgres"
	}
	auth := ""
	if in.Text("tls") == "prefer" && !filepath.IsAbs(host) {
		auth = "!password"
	}
	settings := [][2]string{
		{"host", host},
		{"port", strconv.Itoa(p.port)},
		{"user", me},
		{"password", p.password},
		{"dbname", database},
		{"sslmode", in.Text("tls")},
		{"require_auth", auth},
		{"passfile", ""},
		{"target_session_attrs", "any"},
	}
	var text strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&text, "%s='%s' ", s[0], strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s[1]))
	}
	cfg, err := pgx.ParseConfig(text.String())
	if err != nil {
		return nil, check.Unknown("these are not the parameters of a connection") // err may have the password
	}
	cfg.RuntimeParams = map[string]string{"application_name": "caisey-agent"}
	cfg.ConnectTimeout = dialWait
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // goes through poolers too
	return cfg, nil
}

func pgSocketFiles(port int) []string {
	var files []string
	for _, dir := range pgSockets() {
		files = append(files, filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(port)))
	}
	return files
}

// pgRefused says why there is no connection.
func pgRefused(cfg *pgx.ConnConfig, out *check.Out, err error) error {
	at := net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
	if filepath.IsAbs(cfg.Host) {
		at = filepath.Join(cfg.Host, ".s.PGSQL."+strconv.Itoa(int(cfg.Port)))
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return check.Unknown("cannot connect to PostgreSQL at %s: %v", at, err)
	}
	switch said.Code {
	case "53300", "57P03": // too many connections; starting, stopping, recovering
		out.Find(check.Finding{Severity: check.Crit, Value: said.Code, Text: fmt.Sprintf("PostgreSQL at %s takes no connection: %s", at, said.Message)})
		return check.Unknown("PostgreSQL at %s takes no connection (%s)", at, said.Code)
	case "28000", "28P01":
		return check.Unknown("PostgreSQL at %s refuses the role %q: %s: give the agent's user a role (CREATE ROLE %s LOGIN IN ROLE pg_monitor), or secret=NAME", at, cfg.User, said.Message, pgx.Identifier{cfg.User}.Sanitize())
	}
	return check.Unknown("PostgreSQL at %s refuses the connection: %s (%s)", at, said.Message, said.Code)
}

// begin bounds what the connection may do, and learns what it sees.
func (s *pg) begin(ctx context.Context) error {
	const bounds = `SET statement_timeout = '10s'; SET lock_timeout = '2s'; SET default_transaction_read_only = on`
	for _, set := range strings.Split(bounds, "; ") {
		if _, err := s.conn.Exec(ctx, set); err != nil {
			return fmt.Errorf("bound PostgreSQL's session: %w", err)
		}
	}
	const who = `SELECT current_setting('server_version_num')::int, current_user::text, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')`
	if err := s.conn.QueryRow(ctx, who).Scan(&s.version, &s.role, &s.sees); err != nil {
		return check.Unknown("PostgreSQL does not tell its version, 10 or later: %v", err)
	}
	return nil
}

// close closes the connection, also where the step's time is over.
func (s *pg) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx) // it is over either way
}

// each asks and calls scan for every row. The question is raw evidence.
func (s *pg) each(ctx context.Context, query string, scan func(pgx.Rows) error, args ...any) error {
	s.out.Raw([]byte(query + ";\n"))
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("ask PostgreSQL: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read PostgreSQL's answer: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("ask PostgreSQL: %w", err)
	}
	return nil
}

// pgClient is SQL for who is at the other end of a session.
const pgClient = `concat_ws(' from ', nullif(application_name, ''), coalesce(host(client_addr), CASE WHEN client_port = -1 THEN 'this machine' END))`
