package search

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/mattn/go-sqlite3"
)

// A conn is one connection to the index, used by one goroutine at a time.
type conn struct {
	c     *sqlite3.SQLiteConn
	stmts map[string]*sqlite3.SQLiteStmt // by their text
}

func openConn(path, mode string) (*conn, error) {
	// NORMAL with a WAL: a power cut takes the newest commits and never the order.
	q := url.Values{"mode": {mode}, "_sync": {"NORMAL"}, "_busy_timeout": {"10000"}}
	dc, err := new(sqlite3.SQLiteDriver).Open("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
	if err != nil {
		return nil, err
	}
	c := &conn{c: dc.(*sqlite3.SQLiteConn), stmts: map[string]*sqlite3.SQLiteStmt{}}
	if err := c.script("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-8192"); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *conn) close() error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

// script runs statements that take nothing and return nothing.
func (c *conn) script(query string) error {
	_, err := c.c.ExecContext(context.Background(), query, nil)
	return err
}

// stmt returns the prepared form of query, which must be a constant.
func (c *conn) stmt(query string) (*sqlite3.SQLiteStmt, error) {
	if st := c.stmts[query]; st != nil {
		return st, nil
	}
	st, err := c.c.Prepare(query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = st.(*sqlite3.SQLiteStmt)
	return c.stmts[query], nil
}

// exec runs one statement and returns the row ID of what it inserted.
func (c *conn) exec(query string, args ...driver.Value) (int64, error) {
	st, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(context.Background(), named(args))
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// each calls f with every row of a query, until f returns false. The values are
// only f's while it runs.
func (c *conn) each(ctx context.Context, f func(vals []driver.Value) (bool, error), query string, args ...driver.Value) error {
	st, err := c.stmt(query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, named(args))
	if err != nil {
		return err
	}
	defer rows.Close()
	vals := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(vals); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if on, err := f(vals); err != nil || !on {
			return err
		}
	}
}

// row returns the first row of a query; nil if it has none.
func (c *conn) row(query string, args ...driver.Value) (out []driver.Value, err error) {
	err = c.each(context.Background(), func(vals []driver.Value) (bool, error) {
		out = vals
		return false, nil
	}, query, args...)
	return out, err
}

// rows returns all rows of a query that has few.
func (c *conn) rows(query string, args ...driver.Value) (out [][]driver.Value, err error) {
	err = c.each(context.Background(), func(vals []driver.Value) (bool, error) {
		out = append(out, slices.Clone(vals))
		return true, nil
	}, query, args...)
	return out, err
}

// number returns the first value of a query, 0 if it has none.
func (c *conn) number(query string, args ...driver.Value) (int64, error) {
	vals, err := c.row(query, args...)
	if err != nil || len(vals) == 0 || vals[0] == nil {
		return 0, err
	}
	n, ok := vals[0].(int64)
	if !ok {
		return 0, fmt.Errorf("%w: %T where a number belongs", ErrDamaged, vals[0])
	}
	return n, nil
}

// within runs f in a transaction that leaves no trace if f fails.
func (c *conn) within(f func() error) error {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		_, err = c.exec("COMMIT")
	}
	if err != nil && !c.c.AutoCommit() {
		_, undo := c.exec("ROLLBACK")
		err = errors.Join(err, undo)
	}
	return err
}

func named(args []driver.Value) []driver.NamedValue {
	nv := make([]driver.NamedValue, len(args))
	for i, v := range args {
		nv[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return nv
}

// text and blob read a value whichever way the driver returns it.
func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func blob(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

func number(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}
