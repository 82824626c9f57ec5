package database

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// pgKill declares pg.kill.
func pgKill() check.Check {
	columns := []check.Column{
		{Name: "pid", Type: shape.Int},
		{Name: "role", Type: shape.Text}, // the session, or one that waited for it
		{Name: "state", Type: shape.Text},
		{Name: "started", Type: shape.Time},
		{Name: "transaction", Type: shape.Duration},
		{Name: "database", Type: shape.Text},
		{Name: "user", Type: shape.Text},
		{Name: "client", Type: shape.Text},
		{Name: "waits_for", Type: shape.Text},
		{Name: "statement", Type: shape.Text},
	}
	return check.Check{
		Spec: check.Spec{
			Name:    "pg.kill",
			Summary: "ends a session of PostgreSQL: its transaction is rolled back",
			Effect:  sessionlog.EffectChange,
			Roles:   []string{"db", "app"},
			Params: append(pgParams(),
				check.Param{Name: "pid", Summary: "the session", Type: shape.AnInt, Required: true, Min: 1, Max: 1 << 31, Complete: "pg.health:head"},
				check.Param{Name: "settle", Summary: "how long the session may take to end", Type: shape.ADuration, Default: "5s", Max: 60, Threshold: true}),
			Tables:  []check.Table{{Name: "before", Columns: columns}, {Name: "after", Columns: columns}},
			Timeout: 90,
			MaxRows: 200,
			Source:  "pg_terminate_backend(), pg_stat_activity and pg_blocking_pids() of PostgreSQL 10 or later",
			Undo:    "an ended session cannot be taken back: its transaction is rolled back, and the client has to connect and to do it again",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			k := &pgKiller{}
			defer k.close()
			return check.Fixing(k.before, k.change, k.after)(ctx, in, out)
		},
	}
}

// A pgKiller ends one session.
type pgKiller struct {
	s *pg
	// started is when the session began: the system gives its pid to another one day.
	started time.Time
	waiters []int32
}

func (k *pgKiller) close() {
	if k.s != nil {
		k.s.close()
	}
}

func (k *pgKiller) before(ctx context.Context, in check.Input, out *check.Out) error {
	s, err := openPG(ctx, in, out)
	if err != nil {
		return err
	}
	k.s = s
	return k.choose(ctx)
}

// choose looks at the session and refuses one that is not a client's.
func (k *pgKiller) choose(ctx context.Context) error {
	pid := k.s.in.Int("pid")
	if pid == int(k.s.conn.PgConn().PID()) {
		return check.Unknown("session %d is the agent's own: nothing was changed", pid)
	}
	kind, err := k.kind(ctx, pid)
	switch {
	case err != nil:
		return err
	case kind == "":
		return check.Unknown("there is no session %d: nothing was changed", pid)
	case kind != "client backend":
		return check.Unknown("process %d is no client's session but a %s: nothing was changed", pid, kind)
	}
	_, err = k.look(ctx, func(pid int32, started time.Time, waits bool) {
		if waits {
			k.waiters = append(k.waiters, pid)
			return
		}
		k.started = started
	})
	return err
}

func (k *pgKiller) kind(ctx context.Context, pid int) (kind string, err error) {
	const query = `SELECT coalesce(backend_type, 'session that the role may not see') FROM pg_stat_activity WHERE pid = $1`
	err = k.s.each(ctx, query, func(rows pgx.Rows) error { return rows.Scan(&kind) }, int32(pid))
	return kind, err
}

// look tells the session and those that wait for it, now or before, and returns how
// many of them wait for it still.
func (k *pgKiller) look(ctx context.Context, saw func(pid int32, started time.Time, waits bool)) (still int, err error) {
	const query = `SELECT pid, state, backend_start, extract(epoch FROM clock_timestamp() - xact_start)::float8, datname::text, usename::text, ` + pgClient + `,
  CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) END, query
FROM pg_stat_activity WHERE pid = $1 OR pid = ANY($2) OR wait_event_type = 'Lock' AND $1 = ANY(pg_blocking_pids(pid)) ORDER BY pid <> $1, pid LIMIT 200`
	target := int32(k.s.in.Int("pid"))
	err = k.s.each(ctx, query, func(rows pgx.Rows) error {
		var (
			pid                                 int32
			started                             *time.Time
			age                                 *float64
			state, database, user, client, said *string
			blockers                            []int32
		)
		if err := rows.Scan(&pid, &state, &started, &age, &database, &user, &client, &blockers, &said); err != nil {
			return err
		}
		at := value(started)
		if pid == target && !k.started.IsZero() && !at.Equal(k.started) {
			return nil // another session has its pid
		}
		role, by := "session", fmt.Sprint(blockers)
		if pid != target {
			role = "waiter"
		}
		for _, b := range blockers {
			if b == target && pid != target {
				still++
			}
		}
		k.s.out.Row(pid, role, cell(state), at, span(age), cell(database), cell(user), cell(client), strings.Trim(by, "[]"), stated(said))
		if saw != nil {
			saw(pid, at, pid != target)
		}
		return nil
	}, target, k.waiters)
	return still, err
}

// change ends the session that was looked at, and no other that has its pid now.
func (k *pgKiller) change(ctx context.Context, in check.Input, _ *check.Out) error {
	const query = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2`
	did := false
	err := k.s.each(ctx, query, func(rows pgx.Rows) error { return rows.Scan(&did) }, int32(in.Int("pid")), k.started)
	if err == nil && !did {
		err = fmt.Errorf("session %d has ended by itself", in.Int("pid"))
	}
	return err
}

// after waits until the session has ended, and looks.
func (k *pgKiller) after(ctx context.Context, in check.Input, out *check.Out) error {
	gone, err := k.wait(ctx, in.Duration("settle"))
	if err != nil {
		return err
	}
	still, err := k.look(ctx, nil)
	if err == nil && !gone {
		out.Find(check.Finding{
			Severity: check.Crit, Param: "settle", Threshold: in.Number("settle"), Unit: "s", Table: "after", Rows: []int{0},
			Text: fmt.Sprintf("session %d is still there after %s, and %s for it", in.Int("pid"), in.Text("settle"), waiting(still)),
		})
	}
	return err
}

func waiting(n int) string {
	if n == 1 {
		return "1 session waits"
	}
	return fmt.Sprintf("%d sessions wait", n)
}

func (k *pgKiller) wait(ctx context.Context, most time.Duration) (gone bool, err error) {
	end := time.NewTimer(most)
	defer end.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var n int
		const query = `SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2`
		if err := k.s.conn.QueryRow(ctx, query, int32(k.s.in.Int("pid")), k.started).Scan(&n); err != nil {
			return false, fmt.Errorf("look for the session: %w", err)
		}
		if n == 0 {
			return true, nil
		}
		select {
		case <-tick.C:
		case <-end.C:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}
