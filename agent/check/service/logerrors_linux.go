package service

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// logSource says where the records come from, in one line.
const logSource = "journalctl -o json; where there is no journal, or with path, the end of a file, whose lines have no level"

// logParams are the parameters that say which records.
func logParams() []check.Param {
	return []check.Param{
		{Name: "unit", Summary: "records of this unit only", Type: shape.AText, Complete: "svc.status:name"},
		{Name: "path", Summary: "a log file to read instead of the journal", Type: shape.APath},
		{Name: "level", Summary: "the least level", Type: shape.AnEnum, Values: []string{"crit", "error", "warning", "info"}, Default: "error"},
	}
}

// journalLevel is a level in journalctl's word.
func journalLevel(level string) string {
	if level == "error" {
		return "err"
	}
	return level
}

// maxCounted is the most records of a journal that are counted.
const maxCounted = 8000

// logErrors is the ledger of the journal or of a file.
func (m machine) logErrors(ctx context.Context, in check.Input, out *check.Out) (*tally, error) {
	if in.Has("path") {
		return nil, tailFile(in.Text("path"), in.Int("n"), out)
	}
	entries, err := m.read(ctx, out, query{
		since: in.Duration("since"), level: journalLevel(in.Text("level")), unit: in.Text("unit"), most: maxCounted,
	})
	if errors.Is(err, errNoJournal) && !in.Has("unit") {
		return nil, m.tailSyslog(in.Int("n"), out, err)
	}
	t := newTally(time.Now(), in.Duration("since"))
	t.capped = len(entries) == maxCounted
	for i, e := range entries {
		row := -1
		if i < in.Int("n") {
			row = out.Row(e.record().row()...)
		}
		t.count(e.record(), row)
	}
	return t, err
}

// tailSyslog reads the first of the syslog daemon's files that is there.
func (m machine) tailSyslog(n int, out *check.Out, none error) error {
	files := m.syslogs
	if files == nil {
		files = []string{"/var/log/syslog", "/var/log/messages"}
	}
	for _, name := range files {
		if _, err := os.Stat(name); err == nil {
			return tailFile(name, n, out)
		}
	}
	return none
}

// record returns e as a row has it.
func (e entry) record() record {
	r := record{time: e.time, source: e.unit, id: e.id, message: e.message, number: e.cursor}
	if e.source != "" && (r.source == "" || r.source == "init.scope") {
		r.source = e.source
	}
	switch {
	case e.level < 0:
	case e.level < 3:
		r.level = "crit"
	case e.level == 3:
		r.level = "error"
	case e.level == 4:
		r.level = "warning"
	default:
		r.level = "info"
	}
	return r
}
