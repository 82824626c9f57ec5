package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

func mysqlBlockedColumns() []check.Column {
	return []check.Column{
		{Name: "id", Type: shape.Int},
		{Name: "blocked_by", Type: shape.Int},
		{Name: "head", Type: shape.Int},
		{Name: "depth", Type: shape.Int},
		{Name: "wait_age_secs", Type: shape.Duration},
		{Name: "lock", Type: shape.Text},
		{Name: "user", Type: shape.Text},
		{Name: "client", Type: shape.Text},
		{Name: "statement", Type: shape.Text},
		{Name: "blocker_command", Type: shape.Text},
		{Name: "blocker_user", Type: shape.Text},
		{Name: "blocker_client", Type: shape.Text},
		{Name: "blocker_transaction", Type: shape.Duration},
		{Name: "blocker_statement", Type: shape.Text},
	}
}

// A mysqlWaiter is a row of the table blocked.
type mysqlWaiter struct {
	wait
	secs, blockerAge                                            *float64
	lock, user, client, said, command, byUser, byClient, bySaid *string
}

func (w *mysqlWaiter) scan(rows *sql.Rows) error {
	err := rows.Scan(&w.waiter, &w.blocker, &w.secs, &w.lock, &w.user, &w.client, &w.said, &w.command, &w.byUser, &w.byClient, &w.blockerAge, &w.bySaid)
	w.waited = seconds(value(w.secs))
	return err
}

func (m mysqlServer) blocked(ctx context.Context) error {
	// The view with x$ has statements whole, so that passwords are masked before they
	// are cut.
	const query = "SELECT w.waiting_pid, w.blocking_pid, w.wait_age_secs, CONCAT_WS(' ', w.waiting_lock_mode, w.locked_type, w.locked_table, w.locked_index)," + `
  p.USER, p.HOST, w.waiting_query, b.COMMAND, b.USER, b.HOST, TIMESTAMPDIFF(SECOND, w.blocking_trx_started, NOW()), w.blocking_query
FROM sys.` + "`x$innodb_lock_waits`" + ` w LEFT JOIN information_schema.PROCESSLIST p ON p.ID = w.waiting_pid
LEFT JOIN information_schema.PROCESSLIST b ON b.ID = w.blocking_pid ORDER BY w.wait_age_secs DESC, 1, 2 LIMIT 500`
	var all []mysqlWaiter
	seen := map[[2]int64]bool{}
	err := m.each(ctx, query, func(rows *sql.Rows) error {
		var w mysqlWaiter
		err := w.scan(rows)
		if pair := [2]int64{w.waiter, w.blocker}; !seen[pair] { // there is a row for each lock
			seen[pair] = true
			all = append(all, w)
		}
		return err
	})
	if err != nil {
		return err
	}
	waits, who := make([]wait, len(all)), map[int64]string{}
	for i, w := range all {
		waits[i] = w.wait
		who[w.blocker] = fmt.Sprintf(" (%s, %s from %s)", text(w.command), text(w.byUser), text(w.byClient))
	}
	at := chains(waits)
	for i, w := range all {
		head, depth := at[w.waiter].cells()
		waits[i].row = m.out.Row(w.waiter, w.blocker, head, depth, span(w.secs), cell(w.lock), cell(w.user), cell(w.client), stated(w.said),
			cell(w.command), cell(w.byUser), cell(w.byClient), span(w.blockerAge), stated(w.bySaid))
	}
	b := blocking{table: "blocked", prefix: "mysql/", param: "blocked", who: func(pid int64) string { return who[pid] }}
	b.tell(m.out, waits, m.in.Duration("blocked"))
	return nil
}

// mysqlMissing says which right is missing, if one is, or that the view is.
func mysqlMissing(err error) error {
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		return err
	}
	switch said.Number {
	case 1044, 1142, 1143, 1227, 1356, 1370:
		return check.Unknown("the agent's user lacks a right: %s: it needs PROCESS, SLAVE MONITOR (REPLICATION CLIENT), SELECT and EXECUTE on sys", said.Message)
	case 1049, 1146:
		return check.Unknown("the server has no sys.innodb_lock_waits: %s", said.Message)
	}
	return err
}
