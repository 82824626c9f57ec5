package database

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mysqlHealth declares mysql.health.
func mysqlHealth() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "mysql.health",
			Summary: "MariaDB and MySQL: connections, long queries, who blocks whom, lag of replication",
			Effect:  sessionlog.EffectRead,
			Roles:   []string{"db", "app"},
			Params: append(mysqlParams(),
				check.Param{Name: "conns", Summary: "share of max_connections that is too much", Type: shape.ANumber, Default: "80", Min: 0, Max: 100, Unit: "%", Threshold: true},
				check.Param{Name: "query", Summary: "how long a query may take", Type: shape.ADuration, Default: "60s", Threshold: true},
				check.Param{Name: "idle", Summary: "how long a transaction may be left idle", Type: shape.ADuration, Default: "5m", Threshold: true},
				check.Param{Name: "blocked", Summary: "how long a session may wait for a lock", Type: shape.ADuration, Default: "30s", Threshold: true},
				check.Param{Name: "lag", Summary: "how far a replica may lag", Type: shape.ADuration, Default: "60s", Threshold: true},
				check.Param{Name: "sample", Summary: "how long aborted connects are counted", Type: shape.ADuration, Default: "1s", Max: 60},
				check.Param{Name: "aborted", Summary: "aborted connects within the sample that are too many", Type: shape.AnInt, Default: "5", Min: 1, Max: 1e6, Threshold: true},
			),
			Tables:  mysqlTables(),
			Timeout: 80,
			Samples: 1,
			MaxRows: 500,
			Source:  "SHOW GLOBAL STATUS, information_schema.PROCESSLIST and INNODB_TRX, sys.innodb_lock_waits (MariaDB 10.6, MySQL 5.7 or later), the replica's status; statements are cut to 400 bytes, passwords in them masked",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			s, err := openMySQL(ctx, in, out)
			if err != nil {
				return err
			}
			defer s.db.Close()
			m := mysqlServer{s}
			return mysqlMissing(m.tellAll(ctx, []part{
				{"connections", m.connections},
				{"clients", m.clients},
				{"queries", m.queries},
				{"transactions", m.transactions},
				{"blocked", m.blocked},
				{"replication", m.replication},
			}))
		},
	}
}

func mysqlTables() []check.Table {
	return []check.Table{
		{Name: "connections", Columns: []check.Column{
			{Name: "connected", Type: shape.Int},
			{Name: "running", Type: shape.Int},
			{Name: "max", Type: shape.Int},
			{Name: "used", Type: shape.Percent},
			{Name: "max_used", Type: shape.Int},
			{Name: "aborted_connects", Type: shape.Int},
			{Name: "aborted_clients", Type: shape.Int},
			{Name: "aborted_in_sample", Type: shape.Int},
			{Name: "uptime", Type: shape.Duration},
			{Name: "version", Type: shape.Text},
		}},
		{Name: "clients", Columns: []check.Column{
			{Name: "address", Type: shape.Text},
			{Name: "user", Type: shape.Text},
			{Name: "database", Type: shape.Text},
			{Name: "command", Type: shape.Text},
			{Name: "count", Type: shape.Int},
		}},
		{Name: "queries", Columns: append(mysqlSession(),
			check.Column{Name: "command", Type: shape.Text},
			check.Column{Name: "runs", Type: shape.Duration},
			check.Column{Name: "state", Type: shape.Text},
			check.Column{Name: "statement", Type: shape.Text})},
		{Name: "transactions", Columns: append(mysqlSession(),
			check.Column{Name: "command", Type: shape.Text},
			check.Column{Name: "transaction", Type: shape.Duration},
			check.Column{Name: "in_state", Type: shape.Duration},
			check.Column{Name: "rows_locked", Type: shape.Int},
			check.Column{Name: "rows_modified", Type: shape.Int},
			check.Column{Name: "statement", Type: shape.Text})},
		{Name: "blocked", Columns: mysqlBlockedColumns()},
		{Name: "replication", Columns: []check.Column{
			{Name: "channel", Type: shape.Text},
			{Name: "source", Type: shape.Text},
			{Name: "io_running", Type: shape.Text},
			{Name: "sql_running", Type: shape.Text},
			{Name: "lag", Type: shape.Duration},
			{Name: "error", Type: shape.Text},
		}},
	}
}

func mysqlSession() []check.Column {
	return []check.Column{
		{Name: "id", Type: shape.Int},
		{Name: "user", Type: shape.Text},
		{Name: "client", Type: shape.Text},
		{Name: "database", Type: shape.Text},
	}
}

// A mysqlServer is a connection to MariaDB or MySQL.
type mysqlServer struct{ *server }

// status reads the server's counters.
func (m mysqlServer) status(ctx context.Context) (map[string]int64, error) {
	const query = `SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running', 'Max_used_connections', 'Aborted_connects', 'Aborted_clients', 'Uptime')`
	status := map[string]int64{}
	err := m.each(ctx, query, func(rows *sql.Rows) error {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		n, err := strconv.ParseInt(value, 10, 64)
		status[strings.ToLower(name)] = n
		return err
	})
	return status, err
}

func (m mysqlServer) connections(ctx context.Context) error {
	var (
		most    int64
		version string
	)
	if err := m.one(ctx, `SELECT @@GLOBAL.max_connections, @@GLOBAL.version`, &most, &version); err != nil {
		return err
	}
	first, err := m.status(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, m.in.Duration("sample")); err != nil {
		return err
	}
	st, err := m.status(ctx)
	if err != nil {
		return err
	}
	used := 100 * float64(st["threads_connected"]) / float64(max(most, 1))
	rise := st["aborted_connects"] - first["aborted_connects"]
	row := []int{m.out.Row(st["threads_connected"], st["threads_running"], most, used, st["max_used_connections"],
		st["aborted_connects"], st["aborted_clients"], rise, seconds(float64(st["uptime"])), version)}
	if limit := m.in.Number("conns"); used > limit {
		m.out.Find(check.Finding{
			Severity: check.Crit, Param: "conns", Value: used, Threshold: limit, Table: "connections", Rows: row,
			Text: fmt.Sprintf("%d of %d connections are in use, over %g %%", st["threads_connected"], most, limit),
		})
	}
	if limit := m.in.Int("aborted"); rise >= int64(limit) {
		m.out.Find(check.Finding{
			Severity: check.Warn, Param: "aborted", Value: rise, Threshold: limit, Table: "connections", Rows: row,
			Text: fmt.Sprintf("%d connects were aborted within %s", rise, m.in.Text("sample")),
		})
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m mysqlServer) clients(ctx context.Context) error {
	const query = `SELECT IF(HOST LIKE '%:%', LEFT(HOST, CHAR_LENGTH(HOST) - LOCATE(':', REVERSE(HOST))), HOST), USER, DB, COMMAND, COUNT(*) FROM information_schema.PROCESSLIST GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2 LIMIT 100`
	return m.each(ctx, query, func(rows *sql.Rows) error {
		var (
			address, user, database, command *string
			n                                int64
		)
		if err := rows.Scan(&address, &user, &database, &command, &n); err != nil {
			return err
		}
		row := m.out.Row(cell(address), cell(user), cell(database), cell(command), n)
		if a := text(address); a != "-" && a != "localhost" && row >= 0 {
			m.out.Edge(check.Edge{Kind: shape.ConnectsTo, From: a, To: m.place.name(), Label: text(database), Table: "clients", Row: row})
		}
		return nil
	})
}

func (m mysqlServer) queries(ctx context.Context) error {
	const query = `SELECT ID, USER, HOST, DB, COMMAND, TIME, STATE, INFO FROM information_schema.PROCESSLIST
WHERE COMMAND NOT IN ('Sleep', 'Daemon') AND COMMAND NOT LIKE 'Binlog Dump%' AND COMMAND NOT LIKE 'Slave%' AND USER NOT IN ('system user', 'event_scheduler') AND ID <> CONNECTION_ID()
ORDER BY TIME DESC LIMIT 50`
	long := over{unit: "query of session"}
	err := m.each(ctx, query, func(rows *sql.Rows) error {
		var (
			id                                           int64
			user, client, database, command, state, said *string
			runs                                         *float64
		)
		if err := rows.Scan(&id, &user, &client, &database, &command, &runs, &state, &said); err != nil {
			return err
		}
		row := m.out.Row(id, cell(user), cell(client), cell(database), cell(command), span(runs), cell(state), stated(said))
		long.add(seconds(value(runs)), m.in.Duration("query"), fmt.Sprintf("%d of %s (%s)", id, text(user), text(client)), row)
		return nil
	})
	long.tell(m.out, "queries", "query", m.in.Duration("query"), "has run")
	return err
}

func (m mysqlServer) transactions(ctx context.Context) error {
	const query = `SELECT p.ID, p.USER, p.HOST, p.DB, p.COMMAND, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), p.TIME, t.trx_rows_locked, t.trx_rows_modified, t.trx_query
FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id ORDER BY t.trx_started LIMIT 50`
	idle := over{unit: "session"}
	err := m.each(ctx, query, func(rows *sql.Rows) error {
		var (
			id                                    int64
			user, client, database, command, said *string
			age, in                               *float64
			locked, modified                      *int64
		)
		if err := rows.Scan(&id, &user, &client, &database, &command, &age, &in, &locked, &modified, &said); err != nil {
			return err
		}
		row := m.out.Row(id, cell(user), cell(client), cell(database), cell(command), span(age), span(in), cell(locked), cell(modified), stated(said))
		if text(command) == "Sleep" {
			idle.add(seconds(value(in)), m.in.Duration("idle"), fmt.Sprintf("%d of %s (%s)", id, text(user), text(client)), row)
		}
		return nil
	})
	idle.tell(m.out, "transactions", "idle", m.in.Duration("idle"), "left a transaction idle")
	return err
}
