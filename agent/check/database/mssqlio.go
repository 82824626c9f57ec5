package database

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// mssqlIO declares mssql.io.
func mssqlIO(open opener) check.Check {
	tables := []check.Table{{Columns: []check.Column{
		{Name: "database", Type: shape.Text},
		{Name: "file", Type: shape.Text},
		{Name: "type", Type: shape.Text},
		{Name: "ms_per_read", Type: shape.Number, Unit: "ms"},
		{Name: "ms_per_write", Type: shape.Number, Unit: "ms"},
		{Name: "reads", Type: shape.Int},
		{Name: "writes", Type: shape.Int},
	}}}
	spec := mssqlSpec("mssql.io", "SQL Server: how long reads and writes of its files take, within a sample", "sys.dm_io_virtual_file_stats, sys.master_files",
		tables,
		check.Param{Name: "sample", Summary: "how long it watches", Type: shape.ADuration, Default: "5s", Max: 60},
		check.Param{Name: "read", Summary: "time of a data file's read that is long", Type: shape.ANumber, Default: "20", Min: 0, Max: 1e6, Unit: "ms", Threshold: true},
		check.Param{Name: "warn", Summary: "time of a log's write that is long", Type: shape.ANumber, Default: "3", Min: 0, Max: 1e6, Unit: "ms", Threshold: true},
		check.Param{Name: "crit", Summary: "time of a log's write that is too long", Type: shape.ANumber, Default: "100", Min: 0, Max: 1e6, Unit: "ms", Threshold: true},
	)
	spec.Timeout, spec.Samples = 90, 5
	return mssqlCheck(open, spec, func(ctx context.Context, s *server) error { return s.mssqlFiles(ctx) })
}

const mssqlFiles = `SELECT v.database_id, v.file_id, DB_NAME(v.database_id), f.physical_name, f.type_desc, v.num_of_reads, v.io_stall_read_ms, v.num_of_writes, v.io_stall_write_ms
FROM sys.dm_io_virtual_file_stats(NULL, NULL) AS v LEFT JOIN sys.master_files AS f ON f.database_id = v.database_id AND f.file_id = v.file_id
ORDER BY v.database_id, v.file_id`

// A mssqlFile is a file of a database, and what was done with it since the server began.
type mssqlFile struct {
	id                             [2]int64
	database, path, kind           *string
	reads, readMS, writes, writeMS int64
}

func (s *server) mssqlReadFiles(ctx context.Context) ([]mssqlFile, error) {
	var files []mssqlFile
	err := s.each(ctx, mssqlFiles, func(rows *sql.Rows) error {
		var f mssqlFile
		err := rows.Scan(&f.id[0], &f.id[1], &f.database, &f.path, &f.kind, &f.reads, &f.readMS, &f.writes, &f.writeMS)
		files = append(files, f)
		return err
	})
	return files, err
}

func (s *server) mssqlFiles(ctx context.Context) error {
	first, err := s.mssqlReadFiles(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, s.in.Duration("sample")); err != nil {
		return err
	}
	files, err := s.mssqlReadFiles(ctx)
	if err != nil {
		return err
	}
	was := map[[2]int64]mssqlFile{}
	for _, f := range first {
		was[f.id] = f
	}
	for i, f := range files {
		w := was[f.id]
		files[i].reads, files[i].readMS, files[i].writes, files[i].writeMS = f.reads-w.reads, f.readMS-w.readMS, f.writes-w.writes, f.writeMS-w.writeMS
	}
	slices.SortStableFunc(files, func(a, b mssqlFile) int { return cmp.Compare(b.readMS+b.writeMS, a.readMS+a.writeMS) })
	for _, f := range files {
		if _, ok := was[f.id]; ok {
			s.mssqlTellFile(f)
		}
	}
	return nil
}

func (s *server) mssqlTellFile(f mssqlFile) {
	perRead, perWrite := per(f.readMS, f.reads), per(f.writeMS, f.writes)
	row := []int{s.out.Row(cell(f.database), cell(f.path), cell(f.kind), cell(perRead), cell(perWrite), f.reads, f.writes)}
	find := func(severity shape.Severity, param, what string, ms float64) {
		s.out.Find(check.Finding{
			Severity: severity, Param: param, Value: ms, Threshold: s.in.Number(param), Rows: row,
			Text: fmt.Sprintf("%s of %s takes %.1f ms, over %g ms", what, text(f.path), ms, s.in.Number(param)),
		})
	}
	r, w := value(perRead), value(perWrite)
	switch {
	case value(f.kind) == "LOG" && w >= s.in.Number("crit"):
		find(check.Crit, "crit", "a write to the log", w)
	case value(f.kind) == "LOG" && w > s.in.Number("warn"):
		find(check.Warn, "warn", "a write to the log", w)
	case value(f.kind) != "LOG" && r > s.in.Number("read"):
		find(check.Warn, "read", "a read", r)
	}
}

// per returns a/b, and nil if b is nothing.
func per(a, b int64) *float64 {
	if b <= 0 {
		return nil
	}
	f := float64(a) / float64(b)
	return &f
}
