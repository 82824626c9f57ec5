package database

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mssqlBlock declares mssql.block.
func mssqlBlock(open opener) check.Check {
	tables := []check.Table{{Name: "blocked", Columns: []check.Column{
		{Name: "spid", Type: shape.Int},
		{Name: "blocked_by", Type: shape.Int},
		{Name: "head", Type: shape.Int},
		{Name: "depth", Type: shape.Int},
		{Name: "waited", Type: shape.Duration},
		{Name: "wait", Type: shape.Text},
		{Name: "resource", Type: shape.Text},
		{Name: "database", Type: shape.Text},
		{Name: "login", Type: shape.Text},
		{Name: "host", Type: shape.Text},
		{Name: "program", Type: shape.Text},
		{Name: "statement", Type: shape.Text},
		{Name: "blocker_status", Type: shape.Text},
		{Name: "blocker_login", Type: shape.Text},
		{Name: "blocker_host", Type: shape.Text},
		{Name: "blocker_program", Type: shape.Text},
		{Name: "blocker_transactions", Type: shape.Int},
		{Name: "blocker_statement", Type: shape.Text},
	}}}
	spec := mssqlSpec("mssql.block", "SQL Server: who waits for whom, and who is at the head", "sys.dm_os_waiting_tasks, sys.dm_exec_requests, sys.dm_exec_sessions, sys.dm_exec_sql_text; statements are cut to 400 bytes, passwords in them masked",
		tables,
		check.Param{Name: "min", Summary: "waits that are shorter are not shown", Type: shape.ADuration, Default: "0s"},
		check.Param{Name: "blocked", Summary: "how long a session may wait for a lock", Type: shape.ADuration, Default: "30s", Threshold: true},
	)
	return mssqlCheck(open, spec, func(ctx context.Context, s *server) error { return s.mssqlBlocked(ctx) })
}

const mssqlBlocked = `SELECT w.session_id, w.blocking_session_id, w.wait_duration_ms, w.wait_type, w.resource_description, DB_NAME(r.database_id),
  s.login_name, s.host_name, s.program_name, t.text, b.status, b.login_name, b.host_name, b.program_name, b.open_transaction_count, bt.text
FROM sys.dm_os_waiting_tasks AS w JOIN sys.dm_exec_sessions AS s ON s.session_id = w.session_id
LEFT JOIN sys.dm_exec_requests AS r ON r.session_id = w.session_id
OUTER APPLY sys.dm_exec_sql_text(r.sql_handle) AS t
LEFT JOIN sys.dm_exec_sessions AS b ON b.session_id = w.blocking_session_id
LEFT JOIN sys.dm_exec_requests AS br ON br.session_id = w.blocking_session_id
LEFT JOIN sys.dm_exec_connections AS bc ON bc.session_id = w.blocking_session_id AND bc.parent_connection_id IS NULL
OUTER APPLY sys.dm_exec_sql_text(COALESCE(br.sql_handle, bc.most_recent_sql_handle)) AS bt
WHERE w.blocking_session_id IS NOT NULL AND w.blocking_session_id <> w.session_id ORDER BY w.wait_duration_ms DESC, w.session_id`

// A mssqlWaiter is a row of the table blocked.
type mssqlWaiter struct {
	wait
	ms                                                   *float64
	kind, resource, database, login, host, program, said *string
	byStatus, byLogin, byHost, byProgram                 *string
	byTransactions                                       *int64
	bySaid                                               *string
}

func (w *mssqlWaiter) scan(rows *sql.Rows) error {
	err := rows.Scan(&w.waiter, &w.blocker, &w.ms, &w.kind, &w.resource, &w.database, &w.login, &w.host, &w.program, &w.said,
		&w.byStatus, &w.byLogin, &w.byHost, &w.byProgram, &w.byTransactions, &w.bySaid)
	w.waited = seconds(value(w.ms) / 1000)
	return err
}

// who says of a blocker what it is. Those below zero are no sessions.
func (w mssqlWaiter) who() string {
	switch w.blocker {
	case -2:
		return " (an orphaned distributed transaction)"
	case -3:
		return " (a deferred recovery)"
	case -4, -5:
		return " (a latch whose owner is not known)"
	}
	return fmt.Sprintf(" (%s, %s, %s from %s)", text(w.byStatus), text(w.byLogin), text(w.byProgram), text(w.byHost))
}

func (s *server) mssqlBlocked(ctx context.Context) error {
	shortest := s.in.Duration("min")
	longest, order := map[[2]int64]mssqlWaiter{}, [][2]int64(nil)
	err := s.each(ctx, mssqlBlocked, func(rows *sql.Rows) error {
		var w mssqlWaiter
		if err := w.scan(rows); err != nil {
			return err
		}
		// A parallel statement waits in many tasks; the longest come first.
		if pair := [2]int64{w.waiter, w.blocker}; longest[pair].waiter == 0 {
			longest[pair] = w
			order = append(order, pair)
		}
		return nil
	})
	if err != nil {
		return err
	}
	waits, who := make([]wait, 0, len(order)), map[int64]string{}
	for _, pair := range order {
		waits = append(waits, longest[pair].wait)
		who[pair[1]] = longest[pair].who()
	}
	at := chains(waits)
	locks := waits[:0:0]
	for _, wt := range waits {
		w := longest[[2]int64{wt.waiter, wt.blocker}]
		if w.waited < shortest {
			continue
		}
		head, depth := at[w.waiter].cells()
		wt.row = s.out.Row(w.waiter, w.blocker, head, depth, time.Duration(w.waited), cell(w.kind), cell(w.resource), cell(w.database),
			cell(w.login), cell(w.host), cell(w.program), stated(w.said),
			cell(w.byStatus), cell(w.byLogin), cell(w.byHost), cell(w.byProgram), cell(w.byTransactions), stated(w.bySaid))
		if strings.HasPrefix(value(w.kind), "LCK") {
			locks = append(locks, wt)
		}
	}
	b := blocking{table: "blocked", prefix: "mssql/", param: "blocked", who: func(pid int64) string { return who[pid] }}
	b.tell(s.out, locks, s.in.Duration("blocked"))
	return nil
}
