package host

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// changeRecent declares change.recent.
func changeRecent(s system) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "change.recent",
			Summary: "what was changed lately: configuration, units, accounts, packages",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "since", Summary: "how far back", Type: shape.ADuration, Default: "24h", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "time", Type: shape.Time},
				{Name: "kind", Type: shape.Text},
				{Name: "what", Type: shape.Text},
				{Name: "who", Type: shape.Text},
			}}},
			Timeout: 30,
			MaxRows: 1000,
			Source:  "times of files in /etc and of units, records of accounts and of sudo in the journal, dpkg's log",
		},
		Run: s.changes,
	}
}

// A change is one thing that was changed.
type change struct {
	at              time.Time
	kind, what, who string
}

func (s system) changes(ctx context.Context, in check.Input, out *check.Out) error {
	since := time.Now().Add(-in.Duration("since"))
	all := append(s.changedFiles(ctx, "etc", since), s.changedFiles(ctx, "usr/local/lib/systemd", since)...)
	if s.journal.Kept() {
		records, err := s.journal.Read(ctx, nil, since, accountRecords()...)
		if err != nil {
			return err
		}
		for _, r := range records {
			if c, ok := accountChange(r.Source, r.Message); ok {
				c.at = r.Time
				// The records themselves have what sudo ran with: that is no evidence to keep.
				out.Raw(fmt.Appendf(nil, "%s %s %s %s\n", c.at.UTC().Format(time.RFC3339), c.kind, c.who, c.what))
				all = append(all, c)
			}
		}
	}
	packages, err := s.updates(ctx, out, since)
	for _, u := range packages {
		all = append(all, change{at: u.at, kind: "package", what: strings.TrimSpace(u.action + " " + u.name + " " + u.to)})
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	slices.SortStableFunc(all, func(a, b change) int { return b.at.Compare(a.at) })
	counts := map[string]int{}
	var rows []int
	for _, c := range all {
		row := out.Row(c.at, c.kind, c.what, text(c.who))
		counts[c.kind]++
		if len(rows) < 50 {
			rows = append(rows, row)
		}
	}
	if len(all) > 0 {
		out.Find(check.Finding{
			Severity: check.Info, Param: "since", Value: len(all), Threshold: in.Text("since"), Rows: rows,
			Text: fmt.Sprintf("%d changes in the last %v: %s", len(all), in.Duration("since"), counted(counts)),
		})
	}
	if _, noPackages := err.(*check.UnknownError); noPackages && len(all) > 0 {
		return nil // it has no packages, and the rest is known
	}
	return err
}

// counted says "3 file, 1 unit", the most first.
func counted(counts map[string]int) string {
	kinds := make([]string, 0, len(counts))
	for k := range counts {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", counts[k], k)
	}
	return strings.Join(kinds, ", ")
}

// maxFiles is how many files of a directory's tree are looked at.
const maxFiles = 50_000

// changedFiles returns the files under dir that were written since then. Who owns a
// file is not who wrote it: that is not known.
func (s system) changedFiles(ctx context.Context, dir string, since time.Time) []change {
	var all []change
	n := 0
	_ = filepath.WalkDir(s.path(dir), func(name string, d fs.DirEntry, err error) error {
		if n++; ctx.Err() != nil || n > maxFiles {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() {
			return nil // what cannot be read is not known
		}
		info, err := os.Lstat(name)
		if err != nil || info.ModTime().Before(since) {
			return nil
		}
		kind := "file"
		if strings.Contains(name, "/systemd/") && info.Mode().IsRegular() {
			kind = "unit"
		}
		all = append(all, change{at: info.ModTime(), kind: kind, what: name})
		return nil
	})
	return all
}

// accountTools are the programs that change accounts and say so.
var accountTools = []string{"useradd", "userdel", "usermod", "groupadd", "groupdel", "groupmod", "gpasswd", "passwd", "chpasswd", "chage"}

func accountRecords() []string {
	args := []string{"SYSLOG_IDENTIFIER=sudo"}
	for _, t := range accountTools {
		args = append(args, "SYSLOG_IDENTIFIER="+t)
	}
	return args
}

// accountChange reads a record of sudo or of a program that changes accounts. Of what
// sudo ran it keeps the program and no argument: there are passwords among them.
func accountChange(source, message string) (change, bool) {
	if source != "sudo" {
		return change{kind: "account", what: source + ": " + message}, slices.Contains(accountTools, source)
	}
	who, rest, ok := strings.Cut(message, " : ")
	_, command, ran := strings.Cut(rest, "COMMAND=")
	if !ok || !ran {
		return change{}, false
	}
	program, _, _ := strings.Cut(command, " ")
	return change{kind: "sudo", what: program, who: strings.TrimSpace(who)}, true
}
