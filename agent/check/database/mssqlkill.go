package database

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mssqlKill declares mssql.kill.
func mssqlKill(open opener) check.Check {
	columns := []check.Column{
		{Name: "spid", Type: shape.Int},
		{Name: "status", Type: shape.Text},
		{Name: "command", Type: shape.Text},
		{Name: "done", Type: shape.Percent}, // of a rollback
		{Name: "logged_in", Type: shape.Text},
		{Name: "login", Type: shape.Text},
		{Name: "host", Type: shape.Text},
		{Name: "program", Type: shape.Text},
		{Name: "transactions", Type: shape.Int},
		{Name: "blocks", Type: shape.Int},
		{Name: "statement", Type: shape.Text},
	}
	spec := mssqlSpec("mssql.kill", "ends a session of SQL Server: its transaction is rolled back", "KILL, sys.dm_exec_sessions, sys.dm_exec_requests",
		[]check.Table{{Name: "before", Columns: columns}, {Name: "after", Columns: columns}},
		check.Param{Name: "spid", Summary: "the session", Type: shape.AnInt, Required: true, Min: 1, Max: 32767, Complete: "mssql.block:head"},
		check.Param{Name: "settle", Summary: "how long the session may take to end", Type: shape.ADuration, Default: "5s", Max: 60, Threshold: true},
	)
	spec.Effect, spec.Timeout = sessionlog.EffectChange, 90
	spec.Undo = "a killed session cannot be taken back: its transaction is rolled back, which can take as long as it ran, and the client has to connect and to do it again"
	return mssqlCheck(open, spec, func(ctx context.Context, s *server) error {
		k := &mssqlKiller{s: s}
		return check.Fixing(k.before, k.change, k.after)(ctx, s.in, s.out)
	})
}

const mssqlSession = `SELECT s.session_id, s.status, r.command, r.percent_complete, CONVERT(nvarchar(33), s.login_time, 126), s.login_name, s.host_name, s.program_name, s.open_transaction_count,
  (SELECT COUNT_BIG(DISTINCT w.session_id) FROM sys.dm_os_waiting_tasks AS w WHERE w.blocking_session_id = s.session_id AND w.session_id <> s.session_id), t.text, s.is_user_process, @@SPID
FROM sys.dm_exec_sessions AS s LEFT JOIN sys.dm_exec_requests AS r ON r.session_id = s.session_id
LEFT JOIN sys.dm_exec_connections AS c ON c.session_id = s.session_id AND c.parent_connection_id IS NULL
OUTER APPLY sys.dm_exec_sql_text(COALESCE(r.sql_handle, c.most_recent_sql_handle)) AS t WHERE s.session_id = @p1`

// A mssqlKiller ends one session.
type mssqlKiller struct {
	s *server
	// login is when the session began: the server gives its number to another one day.
	login string
}

// A mssqlVictim is the session.
type mssqlVictim struct {
	spid, own                                         int64
	status, command, login, user, host, program, said *string
	done                                              *float64
	transactions, blocks                              *int64
	client                                            bool
}

func (k *mssqlKiller) look(ctx context.Context) (v mssqlVictim, there bool, err error) {
	err = k.s.each(ctx, mssqlSession, func(rows *sql.Rows) error {
		there = true
		return rows.Scan(&v.spid, &v.status, &v.command, &v.done, &v.login, &v.user, &v.host, &v.program, &v.transactions, &v.blocks, &v.said, &v.client, &v.own)
	}, k.s.in.Int("spid"))
	return v, there, err
}

func (k *mssqlKiller) tell(v mssqlVictim) {
	k.s.out.Row(v.spid, cell(v.status), cell(v.command), cell(v.done), cell(v.login), cell(v.user), cell(v.host), cell(v.program), cell(v.transactions), cell(v.blocks), stated(v.said))
}

func (k *mssqlKiller) before(ctx context.Context, in check.Input, _ *check.Out) error {
	v, there, err := k.look(ctx)
	switch {
	case err != nil:
		return err
	case !there:
		return check.Unknown("there is no session %d: nothing was changed", in.Int("spid"))
	}
	k.tell(v)
	k.login = value(v.login)
	switch {
	case v.spid == v.own:
		return check.Unknown("session %d is the agent's own: nothing was changed", v.spid)
	case !v.client:
		return check.Unknown("session %d is the server's own: nothing was changed", v.spid)
	}
	return nil
}

// change looks once more, since KILL cannot say which session it means but by number.
func (k *mssqlKiller) change(ctx context.Context, in check.Input, out *check.Out) error {
	v, there, err := k.look(ctx)
	if err != nil {
		return err
	}
	if !there || value(v.login) != k.login {
		return fmt.Errorf("session %d has ended by itself", in.Int("spid"))
	}
	kill := fmt.Sprintf("KILL %d", in.Int("spid"))
	out.Raw([]byte(kill + ";\n"))
	if _, err := k.s.db.ExecContext(ctx, kill); err != nil {
		return fmt.Errorf("kill session %d: %w", in.Int("spid"), err)
	}
	return nil
}

// after looks until the session is gone, and says how far its rollback is if it is not.
func (k *mssqlKiller) after(ctx context.Context, in check.Input, out *check.Out) error {
	end := time.NewTimer(in.Duration("settle"))
	defer end.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for over := false; ; {
		v, there, err := k.look(ctx)
		if err != nil {
			return err
		}
		if !there || value(v.login) != k.login {
			return nil
		}
		if over {
			k.tell(v)
			out.Find(check.Finding{
				Severity: check.Crit, Param: "settle", Threshold: in.Number("settle"), Unit: "s", Table: "after", Rows: []int{0},
				Text: fmt.Sprintf("session %d is still there after %s: %s, %.0f %% done", v.spid, in.Text("settle"), text(v.command), value(v.done)),
			})
			return nil
		}
		select {
		case <-tick.C:
		case <-end.C:
			over = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
