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

// Version is the one version of the format that this package knows.
const Version = 2

// schema holds the statements that make an empty record, in order. SQLite keeps
// their text, and a reader compares it with this byte for byte.
var schema = [...]string{
	`CREATE TABLE event (
  seq  INTEGER PRIMARY KEY,
  leaf TEXT NOT NULL,
  salt BLOB,
  data BLOB
) STRICT`,
	`CREATE INDEX outline ON event (seq) WHERE salt IS NULL`,
	`CREATE TABLE stream (
  step   TEXT NOT NULL,
  stream INTEGER NOT NULL,
  bytes  INTEGER NOT NULL,
  PRIMARY KEY (step, stream)
) STRICT, WITHOUT ROWID`,
	`CREATE TABLE checkpoint (
  size   INTEGER PRIMARY KEY,
  note   TEXT NOT NULL,
  edge   BLOB NOT NULL,
  hashes BLOB NOT NULL
) STRICT`,
	`CREATE VIEW transcript AS
SELECT seq, time, actor, kind, step,
  replace(replace(replace(what, char(27), char(9243)), char(155), char(65533)), char(157), char(65533)) AS text
FROM (SELECT seq, leaf ->> '$.time' AS time, leaf ->> '$.actor' AS actor, leaf ->> '$.kind' AS kind, leaf ->> '$.step' AS step,
  CASE leaf ->> '$.kind'
    WHEN 'session.opened' THEN 'session on ' || (leaf ->> '$.body.client') || '/' || (leaf ->> '$.body.name')
    WHEN 'session.closed' THEN trim('session closed ' || coalesce(leaf ->> '$.body.why', ''))
    WHEN 'step.requested' THEN '> ' || (leaf ->> '$.body.command')
    WHEN 'step.output' THEN CAST(data AS TEXT)
    WHEN 'step.gap' THEN (leaf ->> '$.body.bytes') || ' bytes of ' || (leaf ->> '$.body.stream') || ' not recorded'
    WHEN 'step.cancel' THEN 'cancel'
    WHEN 'step.ended' THEN (leaf ->> '$.body.state') || ', exit ' || (leaf ->> '$.body.exit')
      || coalesce(', ' || (leaf ->> '$.body.why'), '')
    WHEN 'note.added' THEN leaf ->> '$.body.text'
  END AS what
  FROM event)
WHERE what IS NOT NULL
ORDER BY seq`,
	`CREATE VIEW commands AS
SELECT r.seq, r.leaf ->> '$.time' AS time, r.leaf ->> '$.actor' AS actor, r.leaf ->> '$.step' AS step,
  r.leaf ->> '$.body.command' AS command,
  d.leaf ->> '$.body.state' AS state,
  d.leaf ->> '$.body.exit' AS exit,
  d.leaf ->> '$.body.duration' AS duration,
  d.leaf ->> '$.time' AS ended
FROM (SELECT * FROM event WHERE salt IS NULL AND leaf ->> '$.kind' = 'step.requested') r
LEFT JOIN (SELECT *, leaf ->> '$.step' AS step FROM event WHERE salt IS NULL AND leaf ->> '$.kind' = 'step.ended') d
ON d.step = r.leaf ->> '$.step'
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
