package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/mattn/go-sqlite3"
)

// A conn is one connection to one SQLite file, used by one goroutine at a time.
type conn struct {
	c *sqlite3.SQLiteConn
}

// openConn opens the file at path, which exists. mode is "ro" or "rw"; an
// immutable file is one that nobody writes.
func openConn(path, mode string, immutable bool) (*conn, error) {
	q := url.Values{"mode": {mode}, "_sync": {"FULL"}}
	if immutable {
		q.Set("immutable", "1")
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	dc, err := new(sqlite3.SQLiteDriver).Open(dsn)
	if err != nil {
		return nil, err
	}
	c := &conn{dc.(*sqlite3.SQLiteConn)}
	if err := c.harden(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// maxRow is the most bytes that SQLite may build for one row or value.
const maxRow = 4 << 20

// harden turns off what a hostile file could use against its reader.
func (c *conn) harden() error {
	c.c.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, maxRow)
	c.c.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
	return c.exec("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0")
}

func (c *conn) close() error {
	if c == nil {
		return nil
	}
	return c.c.Close()
}

// exec runs statements that return nothing of interest.
func (c *conn) exec(query string, args ...driver.Value) error {
	_, err := c.c.ExecContext(context.Background(), query, named(args))
	return err
}

// row returns the first row of a query; nil if it has none.
func (c *conn) row(query string, args ...driver.Value) ([]driver.Value, error) {
	rows, err := c.c.QueryContext(context.Background(), query, named(args))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	vals := make([]driver.Value, len(rows.Columns()))
	switch err := rows.Next(vals); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return vals, nil
}

// want asserts that the first value of a query is v.
func (c *conn) want(query string, v driver.Value) error {
	vals, err := c.row(query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	if len(vals) == 0 || vals[0] != v {
		return fmt.Errorf("%s: got %v, want %v", query, vals, v)
	}
	return nil
}

// prepare returns a statement that stays prepared until it is closed.
func (c *conn) prepare(query string) (*sqlite3.SQLiteStmt, error) {
	st, err := c.c.Prepare(query)
	if err != nil {
		return nil, err
	}
	return st.(*sqlite3.SQLiteStmt), nil
}

func named(args []driver.Value) []driver.NamedValue {
	nv := make([]driver.NamedValue, len(args))
	for i, v := range args {
		nv[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return nv
}
