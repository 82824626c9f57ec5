package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/caisey/caisey/agent/check"
)

// A rowSet is what a query is answered with: a row has a value for each column of the
// query, of the types that the driver of SQL Server has: int64, float64, bool, string,
// time.Time and nil.
type rowSet [][]driver.Value

// A rowServer answers questions with rows of the form that SQL Server documents; there is
// no SQL Server to test with. A query that is asked again gets its next answer, and the
// last one from then on.
type rowServer struct {
	mu      sync.Mutex // guards what follows
	answers map[string][]rowSet
	execs   []string
	// onExec is called with each statement that is no question.
	onExec func(s *rowServer, statement string)
}

// Those of rights and time are the same for all.
func newRowServer(answers map[string][]rowSet) *rowServer {
	if answers[mssqlMayLook] == nil {
		answers[mssqlMayLook] = []rowSet{{{int64(1), "NT SERVICE\\caisey-agent"}}}
	}
	return &rowServer{answers: answers}
}

// open is an opener.
func (s *rowServer) open(_ context.Context, in check.Input, out *check.Out) (*server, error) {
	db := sql.OpenDB(rowConnector{s})
	db.SetMaxOpenConns(1)
	return &server{place: place{port: 1433}, name: "SQL Server", db: db, in: in, out: out}, nil
}

type rowConnector struct{ s *rowServer }

func (c rowConnector) Connect(context.Context) (driver.Conn, error) { return rowConn(c), nil }
func (c rowConnector) Driver() driver.Driver                        { return nil }

type rowConn struct{ s *rowServer }

func (rowConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("nothing is prepared") }

func (rowConn) Begin() (driver.Tx, error) { return nil, errors.New("there are no transactions") }
func (rowConn) Close() error              { return nil }

func (c rowConn) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	all := c.s.answers[query]
	if len(all) == 0 {
		return nil, fmt.Errorf("no answer to %s", query)
	}
	if len(all) > 1 {
		c.s.answers[query] = all[1:]
	}
	return &rowCursor{rows: all[0]}, nil
}

func (c rowConn) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.execs = append(c.s.execs, statement)
	if c.s.onExec != nil {
		c.s.onExec(c.s, statement)
	}
	return driver.ResultNoRows, nil
}

type rowCursor struct{ rows rowSet }

func (c *rowCursor) Columns() []string {
	if len(c.rows) == 0 {
		return nil
	}
	return make([]string, len(c.rows[0]))
}

func (c *rowCursor) Close() error { return nil }

func (c *rowCursor) Next(dest []driver.Value) error {
	if len(c.rows) == 0 {
		return io.EOF
	}
	copy(dest, c.rows[0])
	c.rows = c.rows[1:]
	return nil
}

// mssqlChecks are all mssql.* but the fix, asked by that opener.
func mssqlChecks(open opener) []check.Check {
	return []check.Check{mssqlUp(open), mssqlConns(open), mssqlBlock(open), mssqlIO(open), mssqlWaits(open), mssqlHA(open)}
}

// toValues returns the cells as a row of a rowSet.
func toValues(cells []any) []driver.Value {
	row := make([]driver.Value, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	return row
}
