package database

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// pgHealth declares pg.health.
func pgHealth() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "pg.health",
			Summary: "PostgreSQL: connections, long transactions, who blocks whom, lag of replicas, wraparound",
			Effect:  sessionlog.EffectRead,
			Roles:   []string{"db", "app"},
			Params: append(pgParams(),
				check.Param{Name: "conns", Summary: "share of max_connections that is too much", Type: shape.ANumber, Default: "80", Min: 0, Max: 100, Unit: "%", Threshold: true},
				check.Param{Name: "idle", Summary: "how long a transaction may be left idle", Type: shape.ADuration, Default: "5m", Threshold: true},
				check.Param{Name: "transaction", Summary: "how long a transaction may last", Type: shape.ADuration, Default: "1h", Threshold: true},
				check.Param{Name: "blocked", Summary: "how long a session may wait for a lock", Type: shape.ADuration, Default: "30s", Threshold: true},
				check.Param{Name: "lag", Summary: "how far a replica may lag", Type: shape.ADuration, Default: "60s", Threshold: true},
				check.Param{Name: "behind", Summary: "how much WAL a replica may have to replay", Type: shape.ANumber, Default: "256", Min: 0, Max: 1e9, Unit: "MiB", Threshold: true},
				check.Param{Name: "wraparound", Summary: "share of the transaction numbers until wraparound that is too much", Type: shape.ANumber, Default: "50", Min: 0, Max: 100, Unit: "%", Threshold: true},
			),
			Tables:  pgTables(),
			Timeout: 20,
			MaxRows: 500,
			Source:  "pg_stat_activity, pg_blocking_pids(), pg_locks, pg_stat_replication, pg_stat_wal_receiver and pg_database of PostgreSQL 10 or later; statements are cut to 400 bytes, passwords in them masked",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			s, err := openPG(ctx, in, out)
			if err != nil {
				return err
			}
			defer s.close()
			return s.health(ctx)
		},
	}
}

func pgTables() []check.Table {
	return []check.Table{
		{Name: "connections", Columns: []check.Column{
			{Name: "state", Type: shape.Text},
			{Name: "count", Type: shape.Int},
			{Name: "max", Type: shape.Int},
			{Name: "used", Type: shape.Percent},
			{Name: "longest", Type: shape.Duration},
		}},
		{Name: "clients", Columns: []check.Column{
			{Name: "address", Type: shape.Text},
			{Name: "application", Type: shape.Text},
			{Name: "user", Type: shape.Text},
			{Name: "database", Type: shape.Text},
			{Name: "count", Type: shape.Int},
		}},
		{Name: "transactions", Columns: []check.Column{
			{Name: "pid", Type: shape.Int},
			{Name: "state", Type: shape.Text},
			{Name: "transaction", Type: shape.Duration},
			{Name: "in_state", Type: shape.Duration},
			{Name: "database", Type: shape.Text},
			{Name: "user", Type: shape.Text},
			{Name: "client", Type: shape.Text},
			{Name: "statement", Type: shape.Text},
		}},
		{Name: "blocked", Columns: pgBlockedColumns()},
		{Name: "replicas", Columns: []check.Column{
			{Name: "side", Type: shape.Text}, // sends to, receives from
			{Name: "peer", Type: shape.Text},
			{Name: "name", Type: shape.Text},
			{Name: "state", Type: shape.Text},
			{Name: "sync", Type: shape.Text},
			{Name: "lag", Type: shape.Duration},
			{Name: "behind", Type: shape.Bytes},
		}},
		{Name: "wraparound", Columns: []check.Column{
			{Name: "database", Type: shape.Text},
			{Name: "xid_age", Type: shape.Int},
			{Name: "multixact_age", Type: shape.Int},
			{Name: "used", Type: shape.Percent},
		}},
	}
}

// health tells all tables; the first that cannot be told is why the check cannot.
func (s *pg) health(ctx context.Context) error {
	parts := []struct {
		table string
		tell  func(context.Context) error
	}{
		{"connections", s.connections},
		{"clients", s.clients},
		{"transactions", s.transactions},
		{"blocked", s.blocked},
		{"replicas", s.replicas},
		{"wraparound", s.wraparound},
	}
	var first error
	for _, p := range parts {
		s.out.Table(p.table)
		if err := p.tell(ctx); err != nil && first == nil {
			first = fmt.Errorf("%s: %w", p.table, err)
		}
	}
	if first == nil && !s.sees {
		return check.Unknown("the role %s sees only its own sessions: GRANT pg_monitor TO %s", s.role, pgx.Identifier{s.role}.Sanitize())
	}
	return first
}

func (s *pg) connections(ctx context.Context) error {
	const query = `SELECT coalesce(state, 'not known'), count(*), current_setting('max_connections')::int,
  extract(epoch FROM max(clock_timestamp() - state_change))::float8
FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1 ORDER BY 2 DESC, 1`
	total, most := 0, 0
	err := s.each(ctx, query, func(rows pgx.Rows) error {
		var (
			state   string
			n       int
			longest *float64
		)
		if err := rows.Scan(&state, &n, &most, &longest); err != nil {
			return err
		}
		total += n
		s.out.Row(state, n, most, 100*float64(n)/float64(most), span(longest))
		return nil
	})
	if err != nil {
		return err
	}
	used := 100 * float64(total) / float64(most)
	row := s.out.Row("all", total, most, used, nil)
	if used > s.in.Number("conns") {
		s.out.Find(check.Finding{
			Severity: check.Crit, Param: "conns", Value: used, Threshold: s.in.Number("conns"), Table: "connections", Rows: []int{row},
			Text: fmt.Sprintf("%d of %d connections are in use, over %g %%", total, most, s.in.Number("conns")),
		})
	}
	return nil
}

func (s *pg) clients(ctx context.Context) error {
	const query = `SELECT coalesce(host(client_addr), CASE WHEN client_port = -1 THEN 'this machine' END), nullif(application_name, ''), usename::text, datname::text, count(*)
FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4 LIMIT 100`
	return s.each(ctx, query, func(rows pgx.Rows) error {
		var (
			address, app, user, database *string
			n                            int
		)
		if err := rows.Scan(&address, &app, &user, &database, &n); err != nil {
			return err
		}
		row := s.out.Row(cell(address), cell(app), cell(user), cell(database), n)
		if address != nil && *address != "this machine" && row >= 0 {
			s.out.Edge(check.Edge{Kind: shape.ConnectsTo, From: *address, To: s.name(), Label: text(database), Table: "clients", Row: row})
		}
		return nil
	})
}

func (s *pg) transactions(ctx context.Context) error {
	const query = `SELECT pid, state, extract(epoch FROM clock_timestamp() - xact_start)::float8, extract(epoch FROM clock_timestamp() - state_change)::float8,
  datname::text, usename::text, ` + pgClient + `, query
FROM pg_stat_activity WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 50`
	idle, long := over{unit: "session"}, over{unit: "transaction"}
	err := s.each(ctx, query, func(rows pgx.Rows) error {
		var (
			pid                                 int
			age                                 float64
			since                               *float64
			state, database, user, client, said *string
		)
		if err := rows.Scan(&pid, &state, &age, &since, &database, &user, &client, &said); err != nil {
			return err
		}
		row := s.out.Row(pid, cell(state), seconds(age), span(since), cell(database), cell(user), cell(client), stated(said))
		who := fmt.Sprintf("%d of %s (%s)", pid, text(user), text(client))
		switch st := text(state); {
		case st == "idle in transaction" || st == "idle in transaction (aborted)":
			idle.add(seconds(value(since)), s.in.Duration("idle"), who, row)
		default:
			long.add(seconds(age), s.in.Duration("transaction"), who, row)
		}
		return nil
	})
	idle.tell(s.out, "transactions", "idle", s.in.Duration("idle"), "left a transaction idle")
	long.tell(s.out, "transactions", "transaction", s.in.Duration("transaction"), "has been open")
	return err
}

// An over gathers what lasts too long, for one finding.
type over struct {
	unit    string
	n       int
	longest time.Duration
	who     string
	rows    []int
}

func (o *over) add(lasts, limit time.Duration, who string, row int) {
	if lasts <= limit {
		return
	}
	if lasts > o.longest {
		o.longest, o.who = lasts, who
	}
	o.n++
	o.rows = append(o.rows, row)
}

func (o *over) tell(out *check.Out, table, param string, limit time.Duration, did string) {
	if o.n == 0 {
		return
	}
	what := fmt.Sprintf("%s %s %s for %s", o.unit, o.who, did, shape.Span(o.longest.Seconds()))
	if o.n > 1 {
		what += fmt.Sprintf(", and so did %d more", o.n-1)
	}
	out.Find(check.Finding{
		Severity: check.Warn, Param: param, Value: o.longest.Seconds(), Threshold: limit.Seconds(), Unit: "s", Table: table, Rows: o.rows,
		Text: what,
	})
}
