package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// sharedMariaDB is the server of all tests, started once.
var sharedMariaDB = sync.OnceValues(func() (*process, error) {
	server, err := exec.LookPath("/usr/sbin/mariadbd")
	if err != nil {
		return nil, err
	}
	p, err := newProcess("mysql")
	if err != nil {
		return nil, err
	}
	if err := p.run("/usr/bin/mariadb-install-db", "--no-defaults", "--datadir="+p.path("data"), "--auth-root-authentication-method=socket",
		"--auth-root-socket-user="+ownUser(), "--skip-test-db"); err != nil {
		return nil, err
	}
	ready := func(ctx context.Context) error { return p.mariadb(ctx, "SELECT 1") }
	err = p.start(ready, server, "--no-defaults", "--datadir="+p.path("data"), "--socket="+p.path("sock"), "--pid-file="+p.path("pid"), "--port="+strconv.Itoa(p.port),
		"--bind-address=127.0.0.1", "--max-connections=10", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--innodb-lock-wait-timeout=600", "--server-id=1")
	if err != nil {
		return nil, err
	}
	return p, p.mariadb(context.Background(), "CREATE DATABASE shop", "CREATE TABLE shop.stock (id INT PRIMARY KEY, v INT) ENGINE=InnoDB", "INSERT INTO shop.stock VALUES (1, 0), (2, 0)",
		"CREATE USER erp@localhost IDENTIFIED BY 'erp'", "GRANT ALL ON shop.* TO erp@localhost", "CREATE USER watcher@localhost IDENTIFIED BY 'right'",
		"GRANT PROCESS, SLAVE MONITOR ON *.* TO watcher@localhost", "GRANT SELECT, EXECUTE ON sys.* TO watcher@localhost")
})

// mariadb runs statements as the administrator that mariadb-install-db made for the
// tests' user.
func (p *process) mariadb(ctx context.Context, statements ...string) error {
	db, err := p.dialMariaDB(ownUser(), "")
	if err != nil {
		return err
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (p *process) dialMariaDB(user, password string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.Logger = user, password, "unix", p.path("sock"), &mysql.NopLogger{}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// mariaDB returns the tests' server.
func mariaDB(t *testing.T) *process {
	t.Helper()
	for _, path := range []string{"/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db"} {
		if _, err := os.Stat(path); err != nil {
			t.Skip("needs the Debian package mariadb-server")
		}
	}
	p, err := sharedMariaDB()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, p.quiet)
	return p
}

// quiet returns nil once the sessions of the test before have ended.
func (p *process) quiet(ctx context.Context) error {
	db, err := p.dialMariaDB(ownUser(), "")
	if err != nil {
		return err
	}
	defer db.Close()
	var n int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER <> 'system user'").Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%d sessions are left", n)
	}
	return nil
}

func (p *process) mysqlArgs(more ...string) []string {
	return append([]string{"socket", p.path("sock"), "sample", "0s"}, more...)
}

// erp opens a session, begins a transaction with the statements, and returns its id.
func (p *process) erp(t *testing.T, statements ...string) (*sql.Conn, string) {
	t.Helper()
	db, err := p.dialMariaDB("erp", "erp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var id string
	if err := c.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := c.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return c, id
}

// later runs a statement that waits, until the test ends.
func later(t *testing.T, c *sql.Conn, statement string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.ExecContext(ctx, statement); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestMySQLHealthFine(t *testing.T) {
	p := mariaDB(t)
	a := checktest.Ask(t, mysqlHealth(), p.mysqlArgs("conns", "99")...)
	a.Fine(t)
	if got := a.Column(t, "connections", "max"); !slices.Equal(got, []string{"10"}) {
		t.Errorf("max %v", got)
	}
	s := secret(t, "db", "user=watcher\npassword=right\n")
	a = checktest.AskWith(t, t.Context(), s, mysqlHealth(), p.mysqlArgs("secret", "db")...)
	a.Fine(t)
	a = checktest.AskWith(t, t.Context(), s, mysqlHealth(), "host", "localhost", "port", strconv.Itoa(p.port), "secret", "db", "sample", "0s")
	a.Fine(t)
	if got := a.Column(t, "clients", "address"); !slices.Contains(got, "localhost") && !slices.Contains(got, "127.0.0.1") {
		t.Errorf("addresses %v", got)
	}
	if strings.Contains(string(a.Raw)+string(a.Said), "right") {
		t.Error("the password is in the evidence")
	}
}

func TestMySQLHealthBlocked(t *testing.T) {
	p := mariaDB(t)
	_, first := p.erp(t, "BEGIN", "UPDATE shop.stock SET v = 1 WHERE id = 1")
	b, second := p.erp(t, "BEGIN")
	later(t, b, "UPDATE shop.stock SET v = 2 WHERE id = 1 /* IDENTIFIED BY 'hunter2' */")
	var a checktest.Answer
	eventually(t, func(context.Context) error {
		a = checktest.Ask(t, mysqlHealth(), p.mysqlArgs("blocked", "0s", "idle", "0s")...)
		if len(a.Findings) == 2 { // their ages are in whole seconds
			return nil
		}
		return fmt.Errorf("no finding: %+v, %+v", a.Findings, *a.End)
	})
	for column, want := range map[string]string{
		"id": second, "blocked_by": first, "head": first, "depth": "1", "blocker_command": "Sleep", "blocker_user": "erp", "user": "erp",
		"statement": "UPDATE shop.stock SET v = 2 WHERE id = 1 /* IDENTIFIED BY '***' */",
	} {
		if got := a.Column(t, "blocked", column); !slices.Equal(got, []string{want}) {
			t.Errorf("%s %q, not %q", column, got, want)
		}
	}
	if f := a.Finding(t, "blocked"); !strings.HasPrefix(f.Text, "session "+first+" (Sleep, erp from localhost) blocks 1 session") {
		t.Errorf("%+v", f)
	}
	if f := a.Finding(t, "idle"); !strings.Contains(f.Text, "session "+first+" of erp") {
		t.Errorf("%+v", f)
	}
	if want := (shape.Edge{Kind: shape.Blocks, From: "mysql/" + second, To: "mysql/" + first, Table: "blocked"}); !slices.Contains(a.Edges, want) {
		t.Errorf("edges %+v", a.Edges)
	}
	checktest.Ask(t, mysqlHealth(), p.mysqlArgs("conns", "99")...).Fine(t) // nobody has waited for long
}

func TestMySQLHealthLongQuery(t *testing.T) {
	p := mariaDB(t)
	c, id := p.erp(t)
	later(t, c, "SELECT SLEEP(600)")
	eventually(t, func(context.Context) error {
		for _, f := range checktest.Ask(t, mysqlHealth(), p.mysqlArgs("query", "0s")...).Findings {
			if f.Param == "query" && strings.Contains(f.Text, "session "+id+" of erp") {
				return nil
			}
		}
		return errors.New("the query is not seen")
	})
}

func TestMySQLHealthConnections(t *testing.T) {
	p := mariaDB(t)
	p.fill(t)
	eventually(t, func(context.Context) error { // root has one connection more, once who was refused is gone
		a := checktest.Ask(t, mysqlHealth(), p.mysqlArgs()...)
		for _, f := range a.Findings {
			if f.Param == "conns" && strings.HasSuffix(f.Text, "of 10 connections are in use, over 80 %") {
				return nil
			}
		}
		return fmt.Errorf("no finding: %+v, %+v", a.Findings, *a.End)
	})
	s := secret(t, "db", "user=watcher\npassword=right\n")
	eventually(t, func(context.Context) error {
		p.fill(t) // what others left behind may have ended meanwhile
		a := checktest.AskWith(t, t.Context(), s, mysqlHealth(), p.mysqlArgs("secret", "db")...)
		for _, f := range a.Findings {
			if strings.Contains(f.Text, "takes no connection") && f.Severity == check.Crit {
				return nil
			}
		}
		return fmt.Errorf("no finding: %+v, %+v", a.Findings, *a.End)
	})
}

// fill opens sessions until the server takes no more.
func (p *process) fill(t *testing.T) {
	t.Helper()
	for range 20 {
		db, err := p.dialMariaDB("erp", "erp")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		c, err := db.Conn(t.Context())
		var said *mysql.MySQLError
		switch {
		case errors.As(err, &said) && said.Number == 1040:
			return
		case err != nil:
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the server has no limit")
}

func TestMySQLHealthAborted(t *testing.T) {
	p := mariaDB(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // somebody who has the wrong password, over and over
		defer close(done)
		for ctx.Err() == nil {
			if db, err := p.dialMariaDB("erp", "wrong"); err == nil {
				db.PingContext(ctx)
				db.Close()
			}
		}
	}()
	defer func() { cancel(); <-done }()
	if f := checktest.Ask(t, mysqlHealth(), p.mysqlArgs("sample", "1s", "aborted", "2")...).Finding(t, "aborted"); !strings.Contains(f.Text, "connects were aborted within 1s") {
		t.Errorf("%+v", f)
	}
}

func TestMySQLHealthReplication(t *testing.T) {
	p := mariaDB(t)
	if err := p.mariadb(t.Context(), "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='r', MASTER_PASSWORD='hunter2'", "START SLAVE"); err != nil {
		t.Fatal(err)
	}
	defer p.mariadb(context.WithoutCancel(t.Context()), "STOP SLAVE", "RESET SLAVE ALL")
	a := checktest.Ask(t, mysqlHealth(), p.mysqlArgs()...)
	if f := a.Finding(t, "crit"); f.Table != "replication" || !strings.Contains(f.Text, "replication from 127.0.0.1:1 does not run") {
		t.Errorf("%+v", f)
	}
	if want := (shape.Edge{Kind: shape.ReplicatesBy, To: "127.0.0.1:1", Label: "mysql", Table: "replication"}); !slices.Contains(a.Edges, want) {
		t.Errorf("edges %+v", a.Edges)
	}
}

func TestMySQLHealthCannotTell(t *testing.T) {
	p := mariaDB(t)
	erp := secret(t, "db", "user=erp\npassword=erp\n")
	wrong := secret(t, "db", "user=watcher\npassword=wrong\n")
	for name, c := range map[string]struct {
		secrets check.Secrets
		args    []string
		want    string
	}{
		"no socket":      {args: []string{"socket", p.path("none")}, want: "cannot connect"},
		"no server":      {args: []string{"host", "127.0.0.1", "port", "1"}, want: "cannot connect"},
		"other machine":  {args: []string{"host", "db9.example"}, want: "host=db9.example"},
		"wrong password": {secrets: wrong, args: p.mysqlArgs("secret", "db"), want: "refuses watcher"},
		"no right":       {secrets: erp, args: p.mysqlArgs("secret", "db"), want: "lacks"},
	} {
		a := checktest.AskWith(t, t.Context(), c.secrets, mysqlHealth(), c.args...)
		if why := a.CannotTell(t); !strings.Contains(why, c.want) {
			t.Errorf("%s: %s", name, why)
		}
	}
}
