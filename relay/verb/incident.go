package verb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

// incident returns the one incident whose ID is id or begins with it.
func (e *env) incident(ctx context.Context, id string) (console.Incident, error) {
	all, err := e.call.Backend.Incidents(ctx)
	if err != nil {
		return console.Incident{}, err
	}
	var found []console.Incident
	for _, inc := range all {
		if id != "" && strings.HasPrefix(string(inc.ID), strings.ToUpper(id)) {
			found = append(found, inc)
		}
	}
	switch len(found) {
	case 0:
		return console.Incident{}, console.Errorf(console.CodeUsage, "see `incident ls`", "there is no incident %.40q", id)
	case 1:
		return found[0], nil
	}
	return console.Incident{}, console.Errorf(console.CodeUsage, "write more of it", "more than one incident begins with %s", id)
}

type incidentOpenVerb struct {
	Title  []string `arg:"" help:"What it is, in a few words."`
	Client string   `required:"" placeholder:"CLIENT" help:"Whose it is."`
}

func (v *incidentOpenVerb) run(ctx context.Context, e *env) error {
	rcpt, err := e.call.Backend.Do(ctx, console.OpenIncident{Title: strings.Join(v.Title, " "), Client: v.Client})
	if err != nil {
		return err
	}
	e.out.data([]byte(vt.Plain(rcpt.ID) + "\n"))
	e.out.sayf("you work in it: your sessions on endpoints of %s belong to it until it is closed", v.Client)
	return nil
}

type incidentLsVerb struct {
	JSON bool `name:"json" help:"One JSON object a line."`
}

func (v *incidentLsVerb) run(ctx context.Context, e *env) error {
	all, err := e.call.Backend.Incidents(ctx)
	if err != nil {
		return err
	}
	if v.JSON {
		for _, inc := range all {
			inc.Opened, inc.Closed = inc.Opened.UTC(), inc.Closed.UTC()
			if err := e.out.json(inc); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		e.out.sayf("there is no incident")
		return nil
	}
	t := table{head: []string{"INCIDENT", "CLIENT", "STATE", "OPENED", "LEAD", "TITLE"}}
	for _, inc := range all {
		state := "open"
		if !inc.Closed.IsZero() {
			state = "closed"
		}
		t.add(string(inc.ID), inc.Client, state, inc.Opened.UTC().Format(time.RFC3339), inc.Lead, inc.Title)
	}
	e.print(t)
	return nil
}

type incidentShowVerb struct {
	ID string `arg:"" help:"The incident, or how its id begins."`
}

func (v *incidentShowVerb) run(ctx context.Context, e *env) error {
	inc, err := e.incident(ctx, v.ID)
	if err != nil {
		return err
	}
	found, err := e.call.Backend.Search(ctx, console.Query{Incident: inc.ID})
	if err != nil {
		return err
	}
	closed := ""
	if !inc.Closed.IsZero() {
		closed = inc.Closed.UTC().Format(time.RFC3339)
	}
	var b strings.Builder
	for _, row := range [][2]string{
		{"incident", string(inc.ID)},
		{"title", inc.Title},
		{"client", inc.Client},
		{"lead", inc.Lead},
		{"opened", inc.Opened.UTC().Format(time.RFC3339)},
		{"closed", closed},
		{"people", strings.Join(inc.People, ", ")},
		{"sessions", fmt.Sprint(len(found))},
	} {
		fmt.Fprintf(&b, "%-9s %s\n", row[0], dash(vt.Plain(row[1])))
	}
	e.out.data([]byte(b.String()))
	if len(found) > 0 {
		e.printSessions(found)
	}
	return nil
}

type incidentJoinVerb struct {
	ID string `arg:"" help:"The incident, or how its id begins."`
}

func (v *incidentJoinVerb) run(ctx context.Context, e *env) error {
	inc, err := e.incident(ctx, v.ID)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.JoinIncident{Incident: inc.ID}); err != nil {
		return err
	}
	e.out.sayf("you work in %s: your sessions on endpoints of %s belong to it until it is closed", inc.Title, inc.Client)
	return nil
}

type incidentCloseVerb struct {
	ID string `arg:"" help:"The incident, or how its id begins."`
}

func (v *incidentCloseVerb) run(ctx context.Context, e *env) error {
	inc, err := e.incident(ctx, v.ID)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.CloseIncident{Incident: inc.ID}); err != nil {
		return err
	}
	e.out.sayf("closed %s: nothing more belongs to it", inc.Title)
	return nil
}
