package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

func pgBlockedColumns() []check.Column {
	return []check.Column{
		{Name: "pid", Type: shape.Int},
		{Name: "blocked_by", Type: shape.Int},
		{Name: "head", Type: shape.Int},
		{Name: "depth", Type: shape.Int},
		{Name: "waited", Type: shape.Duration},
		{Name: "lock", Type: shape.Text},
		{Name: "database", Type: shape.Text},
		{Name: "user", Type: shape.Text},
		{Name: "client", Type: shape.Text},
		{Name: "statement", Type: shape.Text},
		{Name: "blocker_state", Type: shape.Text},
		{Name: "blocker_user", Type: shape.Text},
		{Name: "blocker_client", Type: shape.Text},
		{Name: "blocker_statement", Type: shape.Text},
	}
}

// pgBlocked asks who waits for whom. pg_blocking_pids stops the locks for a moment, so
// only sessions that wait for one are asked about. %s is since when a session waits.
const pgBlocked = `SELECT a.pid, b.pid, extract(epoch FROM clock_timestamp() - %s)::float8,
  (SELECT concat_ws(' ', l.mode, l.locktype, l.relation::regclass::text) FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted LIMIT 1),
  a.datname::text, a.usename::text, a.client, a.query, k.state, k.usename::text, k.client, k.query
FROM (SELECT *, ` + pgClient + ` AS client FROM pg_stat_activity WHERE wait_event_type = 'Lock') a
CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(a.pid)) AS pid) b
LEFT JOIN (SELECT *, ` + pgClient + ` AS client FROM pg_stat_activity) k ON k.pid = b.pid
ORDER BY 3 DESC NULLS LAST, 1, 2 LIMIT 500`

// waitStart is since when session a waits; before version 14 only the beginning of
// its statement is known.
func (s *pg) waitStart() string {
	if s.version < 140000 {
		return "a.query_start"
	}
	return "coalesce((SELECT min(l.waitstart) FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted), a.query_start)"
}

// A pgWaiter is a row of the table blocked.
type pgWaiter struct {
	wait
	seconds                                                             *float64
	lock, database, user, client, said, state, byUser, byClient, bySaid *string
}

// who says of a blocker what it is.
func (w pgWaiter) who() string {
	if w.blocker == 0 {
		return " (a prepared transaction)"
	}
	return fmt.Sprintf(" (%s, %s, %s)", text(w.state), text(w.byUser), text(w.byClient))
}

func (s *pg) blocked(ctx context.Context) error {
	var all []pgWaiter
	err := s.each(ctx, fmt.Sprintf(pgBlocked, s.waitStart()), func(rows pgx.Rows) error {
		var w pgWaiter
		err := rows.Scan(&w.waiter, &w.blocker, &w.seconds, &w.lock, &w.database, &w.user, &w.client, &w.said, &w.state, &w.byUser, &w.byClient, &w.bySaid)
		w.waited = seconds(value(w.seconds))
		all = append(all, w)
		return err
	})
	if err != nil {
		return err
	}
	waits, who := make([]wait, len(all)), map[int64]string{}
	for i, w := range all {
		waits[i] = w.wait
		who[w.blocker] = w.who()
	}
	at := chains(waits)
	for i, w := range all {
		head, depth := at[w.waiter].cells()
		waits[i].row = s.out.Row(
			w.waiter, w.blocker, head, depth, span(w.seconds), cell(w.lock), cell(w.database), cell(w.user), cell(w.client), stated(w.said),
			cell(w.state), cell(w.byUser), cell(w.byClient), stated(w.bySaid),
		)
	}
	b := blocking{table: "blocked", prefix: "postgresql/", param: "blocked", who: func(pid int64) string { return who[pid] }}
	b.tell(s.out, waits, s.in.Duration("blocked"))
	return nil
}
