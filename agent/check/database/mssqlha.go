package database

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mssqlHA declares mssql.ha.
func mssqlHA(open opener) check.Check {
	tables := []check.Table{
		{Name: "replicas", Columns: []check.Column{
			{Name: "ag", Type: shape.Text},
			{Name: "replica", Type: shape.Text},
			{Name: "role", Type: shape.Text},
			{Name: "connected", Type: shape.Text},
			{Name: "database", Type: shape.Text},
			{Name: "mode", Type: shape.Text},
			{Name: "sync", Type: shape.Text},
			{Name: "suspended", Type: shape.Bool},
			{Name: "send_queue", Type: shape.Int, Unit: "KiB"},
			{Name: "redo_queue", Type: shape.Int, Unit: "KiB"},
			{Name: "redo_rose", Type: shape.Int, Unit: "KiB"},
		}},
		{Name: "backups", Columns: []check.Column{
			{Name: "database", Type: shape.Text},
			{Name: "recovery", Type: shape.Text},
			{Name: "preferred", Type: shape.Bool},
			{Name: "full_age", Type: shape.Duration},
			{Name: "log_age", Type: shape.Duration},
		}},
	}
	spec := mssqlSpec("mssql.ha", "SQL Server: availability groups, their queues, and the age of backups", "sys.dm_hadr_database_replica_states, sys.dm_hadr_availability_replica_states, msdb.dbo.backupset",
		tables,
		check.Param{Name: "sample", Summary: "how long redo queues are watched", Type: shape.ADuration, Default: "5s", Max: 60},
		check.Param{Name: "redo", Summary: "a redo queue that rises counts from here", Type: shape.ANumber, Default: "10240", Min: 0, Max: 1e12, Unit: "KiB", Threshold: true},
		check.Param{Name: "log", Summary: "age of the last log backup that is too much, with recovery FULL or BULK_LOGGED", Type: shape.ADuration, Default: "24h", Threshold: true},
	)
	spec.Timeout, spec.Samples = 90, 5
	return mssqlCheck(open, spec, func(ctx context.Context, s *server) error {
		return s.tellAll(ctx, []part{{"replicas", s.mssqlReplicas}, {"backups", s.mssqlBackups}})
	})
}

const mssqlReplicas = `SELECT g.name, r.replica_server_name, a.role_desc, a.connected_state_desc, c.database_name, r.availability_mode_desc, d.synchronization_state_desc,
  d.is_suspended, d.log_send_queue_size, d.redo_queue_size, d.is_local
FROM sys.dm_hadr_database_replica_states AS d JOIN sys.availability_replicas AS r ON r.replica_id = d.replica_id
JOIN sys.availability_groups AS g ON g.group_id = d.group_id
LEFT JOIN sys.dm_hadr_availability_replica_states AS a ON a.replica_id = d.replica_id
LEFT JOIN sys.availability_databases_cluster AS c ON c.group_database_id = d.group_database_id
ORDER BY g.name, c.database_name, r.replica_server_name`

// A mssqlReplica is a database on a replica of an availability group.
type mssqlReplica struct {
	ag, replica, role, connected, database, mode, sync *string
	suspended, local                                   *bool
	send, redo                                         *int64
}

func (r mssqlReplica) key() [3]string {
	return [3]string{value(r.ag), value(r.replica), value(r.database)}
}

func (s *server) mssqlReadReplicas(ctx context.Context) ([]mssqlReplica, error) {
	var all []mssqlReplica
	err := s.each(ctx, mssqlReplicas, func(rows *sql.Rows) error {
		var r mssqlReplica
		err := rows.Scan(&r.ag, &r.replica, &r.role, &r.connected, &r.database, &r.mode, &r.sync, &r.suspended, &r.send, &r.redo, &r.local)
		all = append(all, r)
		return err
	})
	return all, err
}

func (s *server) mssqlReplicas(ctx context.Context) error {
	first, err := s.mssqlReadReplicas(ctx)
	if err != nil || len(first) == 0 {
		return err
	}
	if err := pause(ctx, s.in.Duration("sample")); err != nil {
		return err
	}
	all, err := s.mssqlReadReplicas(ctx)
	if err != nil {
		return err
	}
	was := map[[3]string]int64{}
	for _, r := range first {
		was[r.key()] = value(r.redo)
	}
	for _, r := range all {
		old, known := was[r.key()]
		s.mssqlTellReplica(r, old, known)
	}
	return nil
}

func (s *server) mssqlTellReplica(r mssqlReplica, old int64, known bool) {
	var rose any
	if known && r.redo != nil {
		rose = *r.redo - old
	}
	row := s.out.Row(cell(r.ag), cell(r.replica), cell(r.role), cell(r.connected), cell(r.database), cell(r.mode), cell(r.sync), cell(r.suspended), cell(r.send), cell(r.redo), rose)
	who := fmt.Sprintf("%s on %s", text(r.database), text(r.replica))
	if !value(r.local) && row >= 0 {
		s.out.Edge(check.Edge{Kind: shape.ReplicatesBy, To: text(r.replica), Label: value(r.ag), Table: "replicas", Row: row})
	}
	f := check.Finding{Severity: check.Crit, Table: "replicas", Rows: []int{row}}
	// A replica that commits asynchronously never gets further than SYNCHRONIZING.
	healthy := value(r.sync) == "SYNCHRONIZED" || value(r.sync) == "SYNCHRONIZING" && value(r.mode) == "ASYNCHRONOUS_COMMIT"
	switch {
	case value(r.suspended):
		f.Value, f.Text = text(r.sync), fmt.Sprintf("%s is suspended", who)
		s.out.Find(f)
	case !healthy:
		f.Value, f.Text = text(r.sync), fmt.Sprintf("%s is %s, and commits %s", who, text(r.sync), text(r.mode))
		s.out.Find(f)
	}
	if redo, limit := value(r.redo), s.in.Number("redo"); known && redo > old && float64(redo) > limit {
		f.Severity, f.Param, f.Value, f.Threshold = check.Warn, "redo", redo, limit
		f.Text = fmt.Sprintf("the redo queue of %s is %s and rises", who, shape.Size(float64(redo)*1024))
		s.out.Find(f)
	}
}

const mssqlBackups = `SELECT d.name, d.recovery_model_desc, sys.fn_hadr_backup_is_preferred_replica(d.name),
  DATEDIFF(second, MAX(CASE WHEN b.type = 'D' THEN b.backup_finish_date END), GETDATE()),
  DATEDIFF(second, MAX(CASE WHEN b.type = 'L' THEN b.backup_finish_date END), GETDATE())
FROM sys.databases AS d LEFT JOIN msdb.dbo.backupset AS b ON b.database_name = d.name
WHERE d.name NOT IN (N'tempdb', N'model') AND d.source_database_id IS NULL GROUP BY d.name, d.recovery_model_desc ORDER BY d.name`

func (s *server) mssqlBackups(ctx context.Context) error {
	limit := s.in.Duration("log")
	return s.each(ctx, mssqlBackups, func(rows *sql.Rows) error {
		var (
			name, recovery string
			preferred      *bool
			full, log      *float64
		)
		if err := rows.Scan(&name, &recovery, &preferred, &full, &log); err != nil {
			return err
		}
		row := s.out.Row(name, recovery, cell(preferred), span(full), span(log))
		f := check.Finding{Severity: check.Warn, Param: "log", Threshold: limit.Seconds(), Unit: "s", Table: "backups", Rows: []int{row}}
		switch {
		case recovery == "SIMPLE" || preferred != nil && !*preferred: // another replica backs it up
		case log == nil:
			f.Text = fmt.Sprintf("the log of %s was never backed up, and its recovery is %s", name, recovery)
			s.out.Find(f)
		case seconds(*log) > limit:
			f.Value, f.Text = *log, fmt.Sprintf("the log of %s was backed up last %s ago", name, shape.Span(*log))
			s.out.Find(f)
		}
		return nil
	})
}
