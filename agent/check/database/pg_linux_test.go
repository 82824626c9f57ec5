package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// postgresBin finds the programs of PostgreSQL, of any version that Debian has.
func postgresBin() (string, bool) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", false
	}
	return filepath.Dir(found[len(found)-1]), true
}

// pgMax is max_connections of the tests' server; 3 of them are for superusers.
const pgMax = 20

// sharedPG is the server of all tests, started once.
var sharedPG = sync.OnceValues(func() (*process, error) {
	bin, _ := postgresBin()
	p, err := newProcess("postgres")
	if err != nil {
		return nil, err
	}
	if err := p.run(filepath.Join(bin, "initdb"), "-D", p.path("data"), "-U", "postgres", "-N", "-A", "trust", "--no-instructions", "-E", "UTF8", "--locale=C"); err != nil {
		return nil, err
	}
	const hba = "local all postgres,erp,plain trust\nlocal replication postgres trust\nlocal all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(p.path("data/pg_hba.conf"), []byte(hba), 0o644); err != nil {
		return nil, err
	}
	if err := startPG(p); err != nil {
		return nil, err
	}
	return p, p.sql(context.Background(),
		`CREATE ROLE erp LOGIN`, `CREATE ROLE plain LOGIN`, `CREATE ROLE watcher LOGIN PASSWORD 'right' IN ROLE pg_monitor`,
		`CREATE ROLE `+pgx.Identifier{ownUser()}.Sanitize()+` LOGIN IN ROLE pg_monitor, pg_signal_backend`,
		`CREATE TABLE stock (id int PRIMARY KEY, v int)`, `INSERT INTO stock VALUES (1, 0), (2, 0)`, `GRANT ALL ON stock TO erp`)
})

func startPG(p *process) error {
	bin, _ := postgresBin()
	ready := func(ctx context.Context) error { return p.sql(ctx, `SELECT 1`) }
	return p.start(ready, filepath.Join(bin, "postgres"), "-D", p.path("data"), "-k", p.dir, "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "max_connections="+strconv.Itoa(pgMax), "-c", "superuser_reserved_connections=3", "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "autovacuum=off",
		"-c", "max_wal_senders=3", "-c", "wal_level=replica", "-c", "wal_receiver_status_interval=1s")
}

// postgres returns the tests' server.
func postgres(t *testing.T) *process {
	t.Helper()
	if _, ok := postgresBin(); !ok {
		t.Skip("needs the Debian package postgresql")
	}
	p, err := sharedPG()
	if err != nil {
		t.Fatal(err)
	}
	// The sessions of the test before have to end first.
	eventually(t, func(ctx context.Context) error {
		return p.sql(ctx, `SELECT 1 / CASE WHEN count(*) = 1 THEN 1 ELSE 0 END FROM pg_stat_activity WHERE backend_type = 'client backend'`)
	})
	return p
}

func (p *process) dialPG(ctx context.Context, role string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=%s dbname=postgres application_name=%s-app", p.dir, p.port, role, role))
}

// sql runs statements as superuser.
func (p *process) sql(ctx context.Context, statements ...string) error {
	c, err := p.dialPG(ctx, "postgres")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// args returns the arguments of a check that asks the server as the agent's own user.
func (p *process) pgArgs(more ...string) []string {
	return append([]string{"socket", p.dir, "port", strconv.Itoa(p.port)}, more...)
}

// session opens a session of erp, and begins a transaction with the statements.
func (p *process) session(t *testing.T, statements ...string) *pgx.Conn {
	t.Helper()
	c, err := p.dialPG(t.Context(), "erp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	for _, s := range statements {
		if _, err := c.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// A pgChain are three sessions: the last waits for the second, which waits for the
// first, which does nothing.
type pgChain struct {
	pids [3]string
	// ended get what comes of the statements that wait.
	second, third chan error
	first         *pgx.Conn
}

func (p *process) chain(t *testing.T) *pgChain {
	t.Helper()
	a := p.session(t, `BEGIN`, `UPDATE stock SET v = 1 /* PASSWORD 'hunter2' */ WHERE id = 1`)
	b := p.session(t, `BEGIN`, `UPDATE stock SET v = 2 WHERE id = 2`)
	c := p.session(t, `BEGIN`)
	ch := &pgChain{second: make(chan error, 1), third: make(chan error, 1), first: a}
	for i, conn := range []*pgx.Conn{a, b, c} {
		ch.pids[i] = strconv.Itoa(int(conn.PgConn().PID()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	wait := func(conn *pgx.Conn, id int, done chan error) {
		_, err := conn.Exec(ctx, `UPDATE stock SET v = 3 WHERE id = $1`, id)
		done <- err
		close(done)
	}
	go wait(b, 1, ch.second)
	eventually(t, func(ctx context.Context) error { return p.waits(ctx, ch.pids[1]) })
	go wait(c, 2, ch.third)
	eventually(t, func(ctx context.Context) error { return p.waits(ctx, ch.pids[2]) })
	t.Cleanup(func() {
		cancel()
		for range ch.second {
		}
		for range ch.third {
		}
	})
	return ch
}

// waits returns nil once the session waits for a lock.
func (p *process) waits(ctx context.Context, pid string) error {
	c, err := p.dialPG(ctx, "postgres")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var n int
	if err := c.QueryRow(ctx, `SELECT cardinality(pg_blocking_pids(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = `+pid).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return errors.New("nobody blocks it")
	}
	return nil
}
