package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// An attempt is a failed authentication.
type attempt struct {
	time                          time.Time
	user, source, service, reason string

	pid  string
	gone bool // it is the end of a connection that nobody was refused on
}

// authWindow is the time in which auth.fail counts attempts from one source.
const authWindow = 5 * time.Minute

// authFail declares auth.fail.
func (m machine) authFail() check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "auth.fail",
			Summary: "failed authentications by user and source, and accounts that are locked",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "since", Summary: "how far back to look", Type: shape.ADuration, Default: "1h"},
				{Name: "user", Summary: "of this user only", Type: shape.AText, Complete: "auth.fail:user"},
				{Name: "fails", Summary: "failures from one source within 5 minutes that are too many", Type: shape.AnInt, Default: "20", Min: 1, Max: 1e6, Threshold: true},
				{Name: "deny", Summary: "failures at which pam_faillock locks an account", Type: shape.AnInt, Default: "3", Min: 1, Max: 1000, Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "time", Type: shape.Time},
				{Name: "user", Type: shape.Text},
				{Name: "source", Type: shape.Text},
				{Name: "service", Type: shape.Text},
				{Name: "reason", Type: shape.Text},
				{Name: "count", Type: shape.Int},
			}}},
			Timeout: 30,
			MaxRows: 1000,
			Source:  "the journal's records of sshd, krb5kdc, sssd and PAM, whose words are English everywhere; the tallies of pam_faillock",
		},
		Run: m.attempts,
	}
}

// authWriters are who writes of failed authentications.
func authWriters() []string {
	var match []string
	for _, id := range []string{
		"sshd", "sshd-session", "sssd", "sssd_pam", "krb5_child", "krb5kdc", "su", "sudo", "login",
		"gdm-password", "systemd-logind", "vsftpd", "dovecot", "cockpit-session", "polkit-agent-helper-1", "polkitd",
	} {
		match = append(match, "SYSLOG_IDENTIFIER="+id)
	}
	return match
}

func (m machine) attempts(ctx context.Context, in check.Input, out *check.Out) error {
	locked, lockErr := m.locked(in.Text("user"))
	entries, err := m.read(ctx, nil, query{since: in.Duration("since"), most: maxCounted, match: authWriters()})
	if errors.Is(err, errNoJournal) && lockErr == nil && len(locked) > 0 {
		err = nil
	}
	var attempts []attempt
	var raw []byte
	for _, e := range entries {
		if a, ok := attemptOf(e); ok && (!in.Has("user") || in.Text("user") == a.user) {
			attempts = append(attempts, a)
			raw = fmt.Appendf(raw, "%s %s: %s\n", e.time.UTC().Format(time.RFC3339Nano), e.source, e.message)
		}
	}
	out.Raw(bounded(raw))
	attempts = withoutEnds(attempts)
	rows := tellAttempts(out, attempts)
	for _, b := range bursts(attempts) {
		if b.count > in.Int("fails") {
			out.Find(check.Finding{
				Severity: check.Crit, Param: "fails", Value: b.count, Threshold: in.Int("fails"), Rows: rows[b.source],
				Text: fmt.Sprintf("%d failures from %s within 5 minutes, over %d", b.count, b.source, in.Int("fails")),
			})
		}
	}
	for _, l := range locked {
		l.tell(out, in.Int("deny"))
	}
	return errors.Join(err, lockErr)
}

// tellAttempts adds a row for each kind of attempt, and returns the rows by source.
func tellAttempts(out *check.Out, attempts []attempt) map[string][]int {
	type kind struct{ user, source, service, reason string }
	counts, last := map[kind]int{}, map[kind]time.Time{}
	var kinds []kind
	for _, a := range attempts {
		k := kind{a.user, a.source, a.service, a.reason}
		if counts[k] == 0 {
			kinds = append(kinds, k)
		}
		counts[k]++
		if a.time.After(last[k]) {
			last[k] = a.time
		}
	}
	slices.SortStableFunc(kinds, func(a, b kind) int { return cmp.Compare(counts[b], counts[a]) })
	rows := map[string][]int{}
	for _, k := range kinds {
		rows[k.source] = append(rows[k.source], out.Row(last[k], text(k.user), text(k.source), k.service, k.reason, counts[k]))
	}
	return rows
}

// A crowd is the most attempts from one source within authWindow.
type crowd struct {
	source string
	count  int
}

// bursts returns the crowd of each source, the largest first.
func bursts(attempts []attempt) []crowd {
	times := map[string][]time.Time{}
	for _, a := range attempts {
		if a.source != "" {
			times[a.source] = append(times[a.source], a.time)
		}
	}
	var all []crowd
	for source, at := range times {
		slices.SortFunc(at, time.Time.Compare)
		most, from := 0, 0
		for i := range at {
			for at[i].Sub(at[from]) > authWindow {
				from++
			}
			most = max(most, i-from+1)
		}
		all = append(all, crowd{source, most})
	}
	slices.SortFunc(all, func(a, b crowd) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.source, b.source)) })
	return all
}
