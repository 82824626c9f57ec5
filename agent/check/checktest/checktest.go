// Package checktest asks checks in tests and folds what they answer.
package checktest

import (
	"bytes"
	"context"
	"testing"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// An Answer is what a check answered.
type Answer struct {
	shape.Result
	Raw, Said []byte
}

// Ask asks c with arguments in pairs, name and value, and fails the test if the
// declaration is wrong, if the arguments are, or if a line does not fit it.
func Ask(t testing.TB, c check.Check, args ...string) Answer {
	t.Helper()
	return AskWith(t, t.Context(), check.Secrets{}, c, args...)
}

// AskWith is Ask with a context and secrets.
func AskWith(t testing.TB, ctx context.Context, secrets check.Secrets, c check.Check, args ...string) Answer {
	t.Helper()
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	named := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		named[args[i]] = args[i+1]
	}
	var a Answer
	err := c.Do(ctx, named, secrets, func(s sessionlog.Stream, data []byte) error {
		switch s {
		case sessionlog.RowStream:
			if n := bytes.IndexByte(data, '\n'); n != len(data)-1 {
				t.Errorf("%s sends %q, which is not one line", c.Name, data)
			}
			a.Add(data)
		case sessionlog.Stdout:
			a.Raw = append(a.Raw, data...)
		default:
			a.Said = append(a.Said, data...)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("ask %s: %v\n%s", c.Name, err, a.Said)
	}
	if a.Bad > 0 || a.End == nil {
		t.Fatalf("%s answers with %d lines that do not fit its declaration, end %v", c.Name, a.Bad, a.End)
	}
	return a
}

// Finding returns the first finding by that parameter, or of that severity; it fails
// the test if there is none.
func (a Answer) Finding(t testing.TB, by string) shape.Finding {
	t.Helper()
	for _, f := range a.Findings {
		if f.Param == by || string(f.Severity) == by {
			return f
		}
	}
	t.Fatalf("no finding by %s: verdict %v, findings %+v", by, *a.End, a.Findings)
	return shape.Finding{}
}

// Fine fails the test unless the check looked and found nothing wrong.
func (a Answer) Fine(t testing.TB) {
	t.Helper()
	if a.End.Verdict != shape.Fine {
		t.Fatalf("verdict %+v, findings %+v", *a.End, a.Findings)
	}
}

// CannotTell fails the test unless the check cannot tell, and returns why.
func (a Answer) CannotTell(t testing.TB) string {
	t.Helper()
	if a.End.Verdict != shape.CannotTell || a.End.Why == "" {
		t.Fatalf("verdict %+v, findings %+v", *a.End, a.Findings)
	}
	return a.End.Why
}

// Column returns the cells of a column of the table as text: "-" is null.
func (a Answer) Column(t testing.TB, table, column string) []string {
	t.Helper()
	for _, tab := range a.Tables {
		for i, c := range tab.Columns {
			if tab.Name != table || c.Name != column {
				continue
			}
			cells := make([]string, 0, len(tab.Rows))
			for _, row := range tab.Rows {
				cells = append(cells, c.Cell(row[i]))
			}
			return cells
		}
	}
	t.Fatalf("no column %s in table %q", column, table)
	return nil
}
