package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A session is one login.
type session struct {
	user, name, state, from string
	idle                    *time.Duration
	since                   time.Time
}

// A sessionReader returns the sessions, of which out gets the evidence.
type sessionReader func(ctx context.Context, out *check.Out) ([]session, error)

// usersNow declares users.now.
func usersNow(read sessionReader) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "users.now",
			Summary: "who is logged in, from where, and since when",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "disconnected", Summary: "disconnected sessions that are too many", Type: shape.AnInt, Default: "20", Threshold: true},
				{Name: "known", Summary: "the users that are expected; any other is told", Type: shape.AList, Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "user", Type: shape.Text},
				{Name: "session", Type: shape.Text},
				{Name: "state", Type: shape.Text},
				{Name: "idle", Type: shape.Duration},
				{Name: "from", Type: shape.Text},
				{Name: "since", Type: shape.Time},
			}}},
			Timeout: 10,
			MaxRows: 1000,
			Source:  "utmp, or loginctl where there is none; the sessions of remote desktop services on Windows",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			all, err := read(ctx, out)
			if err != nil {
				return err
			}
			tellSessions(all, in, out)
			return nil
		},
	}
}

func tellSessions(all []session, in check.Input, out *check.Out) {
	known := in.List("known")
	var away []int
	gone := 0
	for _, s := range all {
		var idle any
		if s.idle != nil {
			idle = *s.idle
		}
		row := out.Row(s.user, text(s.name), text(s.state), idle, text(s.from), s.since)
		if s.state == "disconnected" {
			away, gone = append(away, row), gone+1
		}
		if s.user != "" && len(known) > 0 && !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, s.user) }) {
			out.Find(check.Finding{
				Severity: check.Warn, Param: "known", Value: s.user, Threshold: in.Text("known"), Rows: []int{row},
				Text: fmt.Sprintf("%s is logged in and is not one of those expected", s.user),
			})
		}
	}
	if most := in.Int("disconnected"); gone > most {
		out.Find(check.Finding{
			Severity: check.Warn, Param: "disconnected", Value: gone, Threshold: most, Rows: away,
			Text: fmt.Sprintf("%d sessions are disconnected, over %d", gone, most),
		})
	}
}
