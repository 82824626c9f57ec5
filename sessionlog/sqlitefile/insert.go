package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"unsafe"

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

// exec runs the statement as a query: the driver then hands over all arguments
// and takes the first step in one call into C, where Exec makes one for each.
func (in *insert) exec() error {
	rows, err := in.st.QueryContext(context.Background(), in.args)
	if err != nil {
		return err
	}
	if err := rows.Next(nil); !errors.Is(err, io.EOF) {
		return errors.Join(err, rows.Close())
	}
	return rows.Close()
}

func (in *insert) stmt() *sqlite3.SQLiteStmt {
	if in == nil {
		return nil
	}
	return in.st
}

// rowsAtOnce is how many rows one statement of a rowInsert takes.
const rowsAtOnce = 16

// A rowInsert inserts rows, several with one statement.
type rowInsert struct {
	columns   int
	one, many *insert
	n         int // rows in many that are not inserted yet
}

// newRowInsert makes an insert into as many columns as query says.
func newRowInsert(prepare func(string) *sqlite3.SQLiteStmt, query string, columns int) *rowInsert {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return &rowInsert{
		columns: columns,
		one:     newInsert(prepare(query+row), columns),
		many:    newInsert(prepare(query+row+strings.Repeat(", "+row, rowsAtOnce-1)), columns*rowsAtOnce),
	}
}

// add inserts a row, or keeps it until there are more or flush is called. The
// values must stay as they are until then.
func (in *rowInsert) add(vals ...driver.Value) error {
	for i, v := range vals {
		in.many.args[in.n*in.columns+i].Value = v
	}
	if in.n++; in.n < rowsAtOnce {
		return nil
	}
	in.n = 0
	return in.many.exec()
}

// flush inserts the rows that are left.
func (in *rowInsert) flush() error {
	n := in.n
	in.n = 0
	for i := range n {
		for k := range in.columns {
			in.one.args[k].Value = in.many.args[i*in.columns+k].Value
		}
		if err := in.one.exec(); err != nil {
			return err
		}
	}
	return nil
}

func (in *rowInsert) stmts() []*sqlite3.SQLiteStmt {
	if in == nil {
		return nil
	}
	return []*sqlite3.SQLiteStmt{in.one.stmt(), in.many.stmt()}
}

// text returns b as a string without a copy. b must not change while it is used.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
