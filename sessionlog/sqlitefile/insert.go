package sqlitefile

import (
	"context"
	"database/sql/driver"

	"github.com/mattn/go-sqlite3"
)

// An insert is a prepared INSERT with room for its arguments.
type insert struct {
	st   *sqlite3.SQLiteStmt
	args []driver.NamedValue
}

func newInsert(st *sqlite3.SQLiteStmt, n int) *insert {
	return &insert{st: st, args: named(make([]driver.Value, n))}
}

func (in *insert) set(vals ...driver.Value) {
	for i, v := range vals {
		in.args[i].Value = v
	}
}

func (in *insert) exec() error {
	_, err := in.st.ExecContext(context.Background(), in.args)
	return err
}

func (in *insert) stmt() *sqlite3.SQLiteStmt {
	if in == nil {
		return nil
	}
	return in.st
}
