package service

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A backup is what is known of the last good one of a job.
type backup struct {
	product, job string
	last         time.Time
	count        int
	status       string
	bad          bool // the product itself says that something is wrong
	file         string
}

// backupLast declares backup.last.
func backupLast() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "backup.last",
			Summary: "when the last backup was made, by what the backup jobs left in a directory",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "path", Summary: "the directory where jobs leave their lists or their backups", Type: shape.APath, Required: true},
				{Name: "age", Summary: "how old the last backup may be", Type: shape.ADuration, Default: "26h", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "product", Type: shape.Text},
				{Name: "job", Type: shape.Text},
				{Name: "last", Type: shape.Time},
				{Name: "age", Type: shape.Duration},
				{Name: "backups", Type: shape.Int},
				{Name: "status", Type: shape.Text},
				{Name: "file", Type: shape.Text},
			}}},
			Timeout: 30,
			MaxRows: 500,
			Source: "files that jobs wrote with restic snapshots --json, borg list --json or pgbackrest info --output=json; " +
				"without such, the age of the newest file. No repository is opened and no backup is tested",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			all, err := backupsIn(ctx, in.Text("path"), out)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				out.Find(check.Finding{Severity: check.Crit, Text: "there is no backup in " + in.Text("path"), Param: "age"})
			}
			now := time.Now()
			for _, b := range all {
				b.tell(out, now, in.Duration("age"))
			}
			return nil
		},
	}
}

func (b backup) tell(out *check.Out, now time.Time, most time.Duration) {
	var age any
	old := now.Sub(b.last)
	if !b.last.IsZero() {
		age = old
	}
	rows := []int{out.Row(b.product, b.job, b.last, age, b.count, text(b.status), b.file)}
	f := check.Finding{Severity: check.Crit, Rows: rows}
	switch {
	case b.last.IsZero():
		f.Text = fmt.Sprintf("%s has no backup of %s", b.product, b.job)
		out.Find(f)
	case old > most:
		f.Param, f.Value, f.Threshold, f.Unit = "age", old.Seconds(), most.Seconds(), "s"
		f.Text = fmt.Sprintf("the last backup of %s is %s old, over %s", b.job, shape.Span(old.Seconds()), shape.Span(most.Seconds()))
		out.Find(f)
	case old < -time.Hour:
		f.Severity, f.Value = check.Warn, old.Seconds()
		f.Text = fmt.Sprintf("the last backup of %s is from the future: by %s", b.job, shape.Span(-old.Seconds()))
		out.Find(f)
	}
	if b.bad {
		out.Find(check.Finding{Severity: check.Crit, Value: b.status, Rows: rows, Text: fmt.Sprintf("%s says of %s: %s", b.product, b.job, b.status)})
	}
}
