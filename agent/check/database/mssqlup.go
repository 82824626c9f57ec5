package database

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mssqlUp declares mssql.up.
func mssqlUp(open opener) check.Check {
	tables := []check.Table{
		{Name: "server", Columns: []check.Column{
			{Name: "name", Type: shape.Text},
			{Name: "version", Type: shape.Text},
			{Name: "level", Type: shape.Text},
			{Name: "edition", Type: shape.Text},
			{Name: "uptime", Type: shape.Duration},
		}},
		{Name: "databases", Columns: []check.Column{
			{Name: "database", Type: shape.Text},
			{Name: "state", Type: shape.Text},
			{Name: "access", Type: shape.Text},
			{Name: "read_only", Type: shape.Bool},
			{Name: "recovery", Type: shape.Text},
			{Name: "log_used", Type: shape.Percent},
			{Name: "log_waits_for", Type: shape.Text},
		}},
		{Name: "errorlog", Columns: []check.Column{
			{Name: "age", Type: shape.Duration},
			{Name: "process", Type: shape.Text},
			{Name: "error", Type: shape.Int},
			{Name: "severity", Type: shape.Int},
			{Name: "text", Type: shape.Text},
		}},
	}
	spec := mssqlSpec("mssql.up", "SQL Server: version, uptime, the state of its databases and logs, and its error log", "SERVERPROPERTY, sys.dm_os_sys_info, sys.databases, sys.dm_os_performance_counters, xp_readerrorlog",
		tables,
		check.Param{Name: "log", Summary: "share of a transaction log in use that is too much", Type: shape.ANumber, Default: "90", Min: 0, Max: 100, Unit: "%", Threshold: true},
		check.Param{Name: "since", Summary: "how far back the error log is read", Type: shape.ADuration, Default: "1h"},
		check.Param{Name: "severity", Summary: "severity from which an error in the log counts", Type: shape.AnInt, Default: "17", Min: 1, Max: 25, Threshold: true},
	)
	return mssqlCheck(open, spec, func(ctx context.Context, s *server) error {
		return s.tellAll(ctx, []part{{"server", s.mssqlServer}, {"databases", s.mssqlDatabases}, {"errorlog", s.mssqlErrorlog}})
	})
}

const mssqlServer = `SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(256)), CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), CAST(SERVERPROPERTY('ProductLevel') AS nvarchar(128)),
  CAST(SERVERPROPERTY('Edition') AS nvarchar(128)), DATEDIFF(second, sqlserver_start_time, GETDATE()) FROM sys.dm_os_sys_info`

func (s *server) mssqlServer(ctx context.Context) error {
	var (
		name, version, level, edition *string
		up                            *float64
	)
	if err := s.one(ctx, mssqlServer, &name, &version, &level, &edition, &up); err != nil {
		return err
	}
	s.out.Row(cell(name), cell(version), cell(level), cell(edition), span(up))
	return nil
}

const mssqlDatabases = `SELECT d.name, d.state_desc, d.user_access_desc, d.is_read_only, d.recovery_model_desc,
  (SELECT MAX(c.cntr_value) FROM sys.dm_os_performance_counters AS c WHERE c.counter_name = 'Percent Log Used' AND RTRIM(c.instance_name) = d.name), d.log_reuse_wait_desc
FROM sys.databases AS d ORDER BY d.database_id`

func (s *server) mssqlDatabases(ctx context.Context) error {
	return s.each(ctx, mssqlDatabases, func(rows *sql.Rows) error {
		var (
			name, state                string
			access, recovery, logWaits *string
			readOnly                   *bool
			used                       *float64
		)
		if err := rows.Scan(&name, &state, &access, &readOnly, &recovery, &used, &logWaits); err != nil {
			return err
		}
		row := []int{s.out.Row(name, state, cell(access), cell(readOnly), cell(recovery), cell(used), cell(logWaits))}
		if state != "ONLINE" {
			s.out.Find(check.Finding{Severity: check.Crit, Value: state, Table: "databases", Rows: row, Text: fmt.Sprintf("database %s is %s", name, state)})
		}
		if limit := s.in.Number("log"); value(used) > limit {
			s.out.Find(check.Finding{
				Severity: check.Crit, Param: "log", Value: *used, Threshold: limit, Table: "databases", Rows: row,
				Text: fmt.Sprintf("the transaction log of %s is %g %% full, and waits for %s", name, *used, text(logWaits)),
			})
		}
		return nil
	})
}

// The error log is asked for newest lines first, in the server's own time. Extended
// procedures take no type but the declared one, so the server makes it.
const (
	mssqlNow      = `SELECT GETDATE()`
	mssqlErrorlog = `DECLARE @since datetime = DATEADD(second, -@p1, GETDATE()); EXEC sys.xp_readerrorlog 0, 1, NULL, NULL, @since, NULL, N'desc'`
)

// mssqlErrorHead is a line of the error log that begins an error, in any language:
// "Error: 9002, Severity: 17, State: 2."
var mssqlErrorHead = regexp.MustCompile(`^[^:\d]+[:：]\s*(\d+), [^:\d]+[:：]\s*(\d+), [^:\d]+[:：]\s*\d+\.?\s*$`)

// mssqlErrorLines is how many lines of the error log are told.
const mssqlErrorLines = 100

func (s *server) mssqlErrorlog(ctx context.Context) error {
	var now time.Time
	if err := s.one(ctx, mssqlNow, &now); err != nil {
		return err
	}
	errs, lines := map[int64]*logError{}, 0
	err := s.each(ctx, mssqlErrorlog, func(rows *sql.Rows) error {
		var (
			at            time.Time
			process, line *string
		)
		if err := rows.Scan(&at, &process, &line); err != nil {
			return err
		}
		if lines++; lines <= mssqlErrorLines {
			s.mssqlLogLine(now.Sub(at), process, line, errs)
		}
		return nil
	}, int64(s.in.Number("since")))
	for _, number := range slices.Sorted(maps.Keys(errs)) {
		e := errs[number]
		s.out.Find(check.Finding{
			Severity: check.Warn, Param: "severity", Value: e.severity, Threshold: s.in.Int("severity"), Table: "errorlog", Rows: e.rows,
			Text: fmt.Sprintf("the error log has error %d of severity %d %s", number, e.severity, times(len(e.rows))),
		})
	}
	return err
}

// A logError is an error that the log has once or more.
type logError struct {
	severity int64
	rows     []int
}

func (s *server) mssqlLogLine(age time.Duration, process, line *string, errs map[int64]*logError) {
	m := mssqlErrorHead.FindStringSubmatch(value(line))
	if m == nil {
		s.out.Row(age, cell(process), nil, nil, stated(line))
		return
	}
	number, _ := strconv.ParseInt(m[1], 10, 64)
	severity, _ := strconv.ParseInt(m[2], 10, 64)
	row := s.out.Row(age, cell(process), number, severity, stated(line))
	if severity < int64(s.in.Int("severity")) {
		return
	}
	if errs[number] == nil {
		errs[number] = &logError{severity: severity}
	}
	errs[number].rows = append(errs[number].rows, row)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
