package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/caisey/caisey/sessionlog"
)

// Rows returns what the file has of events from seq on, at most limit and within
// the bounds of Read, without a look at it.
func (r *Record) Rows(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Row, error) {
	rows, err := lend(ctx, &r.reader, func(c *readConn) ([]sessionlog.Row, error) {
		b := budget{limit: limit}
		return collect(ctx, c, "SELECT seq, CAST(leaf AS BLOB), salt, data FROM event WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
			from, r.head.Seq, min(limit, maxReadEvents), func(vals []driver.Value) (row sessionlog.Row, ok bool) {
				seq, _ := vals[0].(int64)
				row.Seq = sessionlog.Seq(seq)
				row.Leaf, _ = vals[1].([]byte)
				row.Salt, _ = vals[2].([]byte)
				row.Data, _ = vals[3].([]byte)
				return row, b.take(len(row.Leaf) + len(row.Salt) + len(row.Data))
			})
	})
	if err != nil {
		return nil, fmt.Errorf("read record %s: %w", r.path, err)
	}
	return rows, nil
}

// Marks returns the checkpoints of more than after events, at most limit.
func (r *Record) Marks(ctx context.Context, after sessionlog.Seq, limit int) ([]sessionlog.Mark, error) {
	marks, err := lend(ctx, &r.reader, func(c *readConn) ([]sessionlog.Mark, error) {
		b := budget{limit: limit}
		return collect(ctx, c, "SELECT size, note, edge, hashes FROM checkpoint WHERE size > ? AND size <= ? ORDER BY size LIMIT ?",
			after, r.until(), limit, func(vals []driver.Value) (m sessionlog.Mark, ok bool) {
				size, _ := vals[0].(int64)
				m.Size = sessionlog.Seq(size)
				m.Note, _ = vals[1].(string)
				m.Edge, _ = vals[2].([]byte)
				m.Hashes, _ = vals[3].([]byte)
				return m, b.take(len(m.Note) + len(m.Edge) + len(m.Hashes))
			})
	})
	if err != nil {
		return nil, fmt.Errorf("read checkpoints of record %s: %w", r.path, err)
	}
	return marks, nil
}

// until returns the largest size of a checkpoint that is looked at. A record that
// is still written may have grown since it was opened.
func (r *Record) until() sessionlog.Seq {
	if r.reader.immutable {
		return math.MaxInt64
	}
	return r.head.Seq
}

// collect makes a T of each row of a query with three numbers, until there is no
// more or next says so. The first column is a number that grows: a hostile file
// could lead SQLite in circles.
func collect[T any](ctx context.Context, c *readConn, query string, from, to sessionlog.Seq, limit int,
	next func([]driver.Value) (T, bool),
) ([]T, error) {
	rows, err := c.c.QueryContext(ctx, query, named([]driver.Value{int64(from), int64(to), int64(limit)}))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	vals := make([]driver.Value, len(rows.Columns()))
	var all []T
	last := int64(-1)
	for {
		if err := rows.Next(vals); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		n, ok := vals[0].(int64)
		if !ok || n <= last || n < int64(from) {
			return nil, errors.New("record is damaged: its rows are not in order")
		}
		last = n
		v, ok := next(vals)
		if !ok {
			return all, nil
		}
		all = append(all, v)
	}
}
