package database

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/caisey/caisey/agent/check"
)

// A server is a database server of which questions are asked over one connection.
type server struct {
	place
	name string // of the software
	db   *sql.DB
	in   check.Input
	out  *check.Out
}

// each asks and calls scan for every row. The question is raw evidence.
func (s *server) each(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	s.out.Raw([]byte(query + ";\n"))
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("ask %s: %w", s.name, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read the answer of %s: %w", s.name, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("ask %s: %w", s.name, err)
	}
	return nil
}

// one asks for one row and scans it.
func (s *server) one(ctx context.Context, query string, into ...any) error {
	return s.each(ctx, query, func(rows *sql.Rows) error { return rows.Scan(into...) })
}

// A part tells one table.
type part struct {
	table string
	tell  func(context.Context) error
}

// tellAll tells all tables; the first that cannot be told is why the check cannot.
func (s *server) tellAll(ctx context.Context, parts []part) error {
	var first error
	for _, p := range parts {
		s.out.Table(p.table)
		if err := p.tell(ctx); err != nil && first == nil {
			first = fmt.Errorf("%s: %w", p.table, err)
		}
	}
	return first
}
