package database

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mssqlConns declares mssql.conns.
func mssqlConns(open opener) check.Check {
	tables := []check.Table{
		{Name: "connections", Columns: []check.Column{
			{Name: "connected", Type: shape.Int},
			{Name: "max", Type: shape.Int},
			{Name: "used", Type: shape.Percent},
		}},
		{Name: "clients", Columns: []check.Column{
			{Name: "host", Type: shape.Text},
			{Name: "login", Type: shape.Text},
			{Name: "program", Type: shape.Text},
			{Name: "status", Type: shape.Text},
			{Name: "count", Type: shape.Int},
		}},
		{Name: "idle", Columns: []check.Column{
			{Name: "spid", Type: shape.Int},
			{Name: "host", Type: shape.Text},
			{Name: "login", Type: shape.Text},
			{Name: "program", Type: shape.Text},
			{Name: "transactions", Type: shape.Int},
			{Name: "idle", Type: shape.Duration},
			{Name: "statement", Type: shape.Text},
		}},
	}
	spec := mssqlSpec("mssql.conns", "SQL Server: who is connected, how many more may, and who sleeps with a transaction open", "sys.dm_exec_sessions, sys.dm_exec_connections, @@MAX_CONNECTIONS",
		tables,
		check.Param{Name: "conns", Summary: "share of the most connections that is too much", Type: shape.ANumber, Default: "80", Min: 0, Max: 100, Unit: "%", Threshold: true},
		check.Param{Name: "idle", Summary: "how long a session may sleep with a transaction open", Type: shape.ADuration, Default: "10s", Threshold: true},
	)
	return mssqlCheck(open, spec, func(ctx context.Context, s *server) error {
		return s.tellAll(ctx, []part{{"connections", s.mssqlCount}, {"clients", s.mssqlClients}, {"idle", s.mssqlIdle}})
	})
}

const mssqlCount = `SELECT COUNT_BIG(*), @@MAX_CONNECTIONS FROM sys.dm_exec_connections`

func (s *server) mssqlCount(ctx context.Context) error {
	var n, most int64
	if err := s.one(ctx, mssqlCount, &n, &most); err != nil {
		return err
	}
	used := 100 * float64(n) / float64(max(most, 1))
	row := s.out.Row(n, most, used)
	if limit := s.in.Number("conns"); used > limit {
		s.out.Find(check.Finding{
			Severity: check.Crit, Param: "conns", Value: used, Threshold: limit, Table: "connections", Rows: []int{row},
			Text: fmt.Sprintf("%d of %d connections are in use, over %g %%", n, most, limit),
		})
	}
	return nil
}

const mssqlClients = `SELECT host_name, login_name, program_name, status, COUNT_BIG(*) FROM sys.dm_exec_sessions WHERE is_user_process = 1
GROUP BY host_name, login_name, program_name, status ORDER BY COUNT_BIG(*) DESC, host_name, login_name, program_name, status`

func (s *server) mssqlClients(ctx context.Context) error {
	seen := map[string]bool{}
	return s.each(ctx, mssqlClients, func(rows *sql.Rows) error {
		var (
			host, login, program, status *string
			n                            int64
		)
		if err := rows.Scan(&host, &login, &program, &status, &n); err != nil {
			return err
		}
		row := s.out.Row(cell(host), cell(login), cell(program), cell(status), n)
		if h := value(host); h != "" && row >= 0 && !seen[h] {
			seen[h] = true
			s.out.Edge(check.Edge{Kind: shape.ConnectsTo, From: h, To: s.place.name(), Label: text(program), Table: "clients", Row: row})
		}
		return nil
	})
}

const mssqlIdle = `SELECT s.session_id, s.host_name, s.login_name, s.program_name, s.open_transaction_count, DATEDIFF(second, s.last_request_end_time, GETDATE()), t.text
FROM sys.dm_exec_sessions AS s LEFT JOIN sys.dm_exec_connections AS c ON c.session_id = s.session_id AND c.parent_connection_id IS NULL
OUTER APPLY sys.dm_exec_sql_text(c.most_recent_sql_handle) AS t
WHERE s.is_user_process = 1 AND s.status = N'sleeping' AND s.open_transaction_count > 0 ORDER BY s.last_request_end_time`

func (s *server) mssqlIdle(ctx context.Context) error {
	limit, idle := s.in.Duration("idle"), over{unit: "session"}
	err := s.each(ctx, mssqlIdle, func(rows *sql.Rows) error {
		var (
			spid, open                 int64
			host, login, program, said *string
			since                      *float64
		)
		if err := rows.Scan(&spid, &host, &login, &program, &open, &since, &said); err != nil {
			return err
		}
		row := s.out.Row(spid, cell(host), cell(login), cell(program), open, span(since), stated(said))
		idle.add(seconds(value(since)), limit, fmt.Sprintf("%d of %s (%s from %s)", spid, text(login), text(program), text(host)), row)
		return nil
	})
	idle.tell(s.out, "idle", "idle", limit, "has slept with a transaction open")
	return err
}
