package sqlitefile

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/caisey/caisey/sessionlog"
)

// AppID marks a SQLite file as a record of ours: "CSEY".
const AppID = 0x43534559

// Version is the newest version of the format that this package knows.
const Version = 1

// schema holds the statements that make an empty record, in order. SQLite keeps
// their text, and a reader compares it with this byte for byte.
var schema = [...]string{
	`CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID`,
	`CREATE TABLE event (
  seq   INTEGER PRIMARY KEY,
  leaf  TEXT NOT NULL,
  kind  TEXT GENERATED ALWAYS AS (json_extract(leaf, '$.kind')) VIRTUAL,
  time  TEXT GENERATED ALWAYS AS (json_extract(leaf, '$.time')) VIRTUAL,
  actor TEXT GENERATED ALWAYS AS (json_extract(leaf, '$.actor')) VIRTUAL,
  step  TEXT GENERATED ALWAYS AS (json_extract(leaf, '$.step')) VIRTUAL
) STRICT`,
	`CREATE TABLE chunk (
  seq    INTEGER PRIMARY KEY,
  step   TEXT NOT NULL,
  stream INTEGER NOT NULL,
  off    INTEGER NOT NULL,
  salt   BLOB NOT NULL,
  data   BLOB NOT NULL,
  UNIQUE (step, stream, off)
) STRICT`,
	`CREATE TABLE checkpoint (
  size INTEGER PRIMARY KEY,
  note TEXT NOT NULL
) STRICT`,
	`CREATE VIEW transcript AS
SELECT seq, time, actor, kind, step,
  replace(replace(replace(what, char(27), char(9243)), char(155), char(65533)), char(157), char(65533)) AS text
FROM (SELECT e.seq, e.time, e.actor, e.kind, e.step, CASE e.kind
    WHEN 'session.opened' THEN 'session on ' || json_extract(e.leaf, '$.body.client') || '/' || json_extract(e.leaf, '$.body.name')
    WHEN 'session.closed' THEN trim('session closed ' || coalesce(json_extract(e.leaf, '$.body.why'), ''))
    WHEN 'step.requested' THEN '> ' || json_extract(e.leaf, '$.body.command')
    WHEN 'step.output' THEN CAST(c.data AS TEXT)
    WHEN 'step.cancel' THEN 'cancel'
    WHEN 'step.ended' THEN json_extract(e.leaf, '$.body.state') || ', exit ' || json_extract(e.leaf, '$.body.exit')
      || coalesce(', ' || json_extract(e.leaf, '$.body.why'), '')
    WHEN 'note.added' THEN json_extract(e.leaf, '$.body.text')
  END AS what
  FROM event e LEFT JOIN chunk c ON c.seq = e.seq)
WHERE what IS NOT NULL
ORDER BY seq`,
	`CREATE VIEW commands AS
SELECT r.seq, r.time, r.actor, r.step,
  json_extract(r.leaf, '$.body.command') AS command,
  json_extract(d.leaf, '$.body.state') AS state,
  json_extract(d.leaf, '$.body.exit') AS exit,
  json_extract(d.leaf, '$.body.duration') AS duration,
  d.time AS ended
FROM (SELECT * FROM event WHERE kind = 'step.requested') r
LEFT JOIN (SELECT * FROM event WHERE kind = 'step.ended') d ON d.step = r.step
ORDER BY r.seq`,
}

// checkSchema reports that the file has tables, views or anything else that we
// did not put there. Nothing else may be asked of a strange file before.
func (c *conn) checkSchema() error {
	rows, err := c.c.Query("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid", nil)
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	defer rows.Close()
	vals := make([]driver.Value, 1)
	for i := 0; ; i++ {
		switch err := rows.Next(vals); {
		case errors.Is(err, io.EOF) && i == len(schema):
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("schema has %d parts, not %d", i, len(schema))
		case err != nil:
			return fmt.Errorf("read schema: %w", err)
		case i >= len(schema) || vals[0] != schema[i]:
			return fmt.Errorf("schema is not that of version %d", Version)
		}
	}
}

// newTemplate returns the bytes of an empty record in WAL mode. All records
// begin as a copy of it, which is faster than to have SQLite make each.
func newTemplate() ([]byte, error) {
	dir, err := os.MkdirTemp("", "caisey-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "empty"+Ext)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, err
	}
	c, err := openConn(path, "rw", false)
	if err != nil {
		return nil, err
	}
	pragmas := fmt.Sprintf("PRAGMA page_size=4096; PRAGMA application_id=%d; PRAGMA user_version=%d;", AppID, Version)
	err = c.exec(pragmas + "BEGIN;" + strings.Join(schema[:], ";\n") + ";COMMIT; PRAGMA journal_mode=WAL")
	if err := errors.Join(err, c.close()); err != nil {
		return nil, fmt.Errorf("make empty record: %w", err)
	}
	return os.ReadFile(path)
}

// Ext ends the names of records.
const Ext = ".caisey"

// fileName returns the name of a session's record.
func fileName(id sessionlog.SessionID) string { return string(id) + Ext }
