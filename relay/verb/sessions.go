package verb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

type sessionsVerb struct {
	Client   string   `placeholder:"CLIENT" help:"Only those of this client."`
	By       string   `placeholder:"TECHNICIAN" help:"Only those of this technician."`
	Incident string   `placeholder:"ID" help:"Only those of this incident."`
	Since    duration `placeholder:"DURATION" help:"Only those with an event in this time, such as 2h or 3d."`
	JSON     bool     `name:"json" help:"One JSON object a line."`
}

func (v *sessionsVerb) run(ctx context.Context, e *env) error {
	q := console.Query{Client: v.Client, By: v.By}
	if v.Incident != "" {
		inc, err := e.incident(ctx, v.Incident)
		if err != nil {
			return err
		}
		q.Incident = inc.ID
	}
	if v.Since > 0 {
		q.Since = e.call.Now().Add(-time.Duration(v.Since))
	}
	found, err := e.call.Backend.Search(ctx, q)
	if err != nil {
		return err
	}
	if v.JSON {
		for _, s := range found {
			s.Opened, s.Closed, s.Last = s.Opened.UTC(), s.Closed.UTC(), s.Last.UTC()
			if err := e.out.json(s); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		e.out.sayf("no session matches")
		return nil
	}
	e.printSessions(found)
	return nil
}

func (e *env) printSessions(found []console.Session) {
	t := table{head: []string{"SESSION", "ENDPOINT", "BY", "OPENED", "STATE", "STEPS", "RUNNING"}}
	for _, s := range found {
		state := "open"
		if !s.Closed.IsZero() {
			state = "closed"
		}
		t.add(string(s.ID), s.Path(), s.Technician, s.Opened.UTC().Format(time.RFC3339), state,
			fmt.Sprint(s.Steps), fmt.Sprint(s.Running))
	}
	e.print(t)
}

// session returns the one session whose ID is id or begins with it.
func (e *env) session(ctx context.Context, id string) (console.Session, error) {
	prefix := strings.ToUpper(id)
	if len(prefix) > 26 || strings.Trim(prefix, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" || prefix == "" {
		return console.Session{}, console.Errorf(console.CodeUsage, "see `sessions`", "%.40q is not the id of a session", id)
	}
	found, err := e.call.Backend.Search(ctx, console.Query{ID: sessionlog.SessionID(prefix), Limit: 2})
	switch {
	case err != nil:
		return console.Session{}, err
	case len(found) == 0:
		return console.Session{}, console.Errorf(console.CodeUsage, "see `sessions`", "there is no session %s", id)
	case len(found) > 1:
		return console.Session{}, console.Errorf(console.CodeUsage, "write more of it", "more than one session begins with %s", id)
	}
	return found[0], nil
}

type closeVerb struct {
	ID string `arg:"" help:"The session, or how its id begins."`
}

func (v *closeVerb) run(ctx context.Context, e *env) error {
	s, err := e.session(ctx, v.ID)
	if err != nil {
		return err
	}
	// Opened while it is live: who closes their own session does not view a record.
	rec, unread := e.call.Backend.Look(ctx, s.ID)
	if unread == nil {
		defer rec.Close()
	}
	if _, err := e.call.Backend.Do(ctx, console.Close{Session: s.ID}); err != nil {
		return err
	}
	var did sessionlog.Receipt
	if unread == nil {
		did, unread = sessionlog.ReadReceipt(ctx, rec)
	}
	if unread != nil {
		e.out.sayf("closed session %s on %s; what it did cannot be read: %v", s.ID, s.Path(), unread)
		return nil
	}
	e.out.sayf("closed session %s on %s: %s", s.ID, s.Path(), did)
	return nil
}

type noteVerb struct {
	ID   string   `arg:"" help:"The session, or how its id begins."`
	Text []string `arg:"" help:"The note."`
}

func (v *noteVerb) run(ctx context.Context, e *env) error {
	s, err := e.session(ctx, v.ID)
	if err != nil {
		return err
	}
	in := console.Note{Session: s.ID, Text: strings.Join(v.Text, " ")}
	if _, err := e.call.Backend.Do(ctx, in); err != nil {
		return err
	}
	e.out.sayf("noted in session %s on %s", s.ID, s.Path())
	return nil
}
