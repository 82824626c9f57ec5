package verb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/pack"
	"github.com/caisey/caisey/sessionlog/check"
)

type packLearnVerb struct {
	Name     string `arg:"" help:"What it is to be called."`
	Incident string `required:"" placeholder:"ID" help:"The incident, or how its id begins."`
}

// run saves what found it: the checks of the incident that had findings, by the role of
// their endpoints.
func (v *packLearnVerb) run(ctx context.Context, e *env) error {
	inc, err := e.incident(ctx, v.Incident)
	if err != nil {
		return err
	}
	lines, skipped, err := e.found(ctx, inc)
	if err != nil {
		return err
	}
	for _, path := range skipped {
		e.out.sayf("%s has no label role: what found something there is left out", path)
	}
	if len(lines) == 0 {
		return console.Errorf(console.CodeNotFound, "see `incident show "+string(inc.ID)+"`", "no check of the incident found anything on an endpoint with a role")
	}
	text := fmt.Sprintf("# %s: what found it in %s\n%s\n", oneLine(inc.Title), inc.ID, strings.Join(lines, "\n"))
	if _, err := e.call.Backend.Do(ctx, console.SavePack{Name: v.Name, Client: inc.Client, Text: text}); err != nil {
		return err
	}
	e.out.data([]byte(text))
	e.out.sayf("saved for %s: sym %s @%s", inc.Client, v.Name, inc.Client)
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// found returns the lines of a symptom that asks again what found something in the
// incident, and the endpoints that have no role.
func (e *env) found(ctx context.Context, inc console.Incident) (lines, skipped []string, err error) {
	sessions, err := e.call.Backend.Search(ctx, console.Query{Incident: inc.ID})
	if err != nil {
		return nil, nil, err
	}
	eps, err := e.endpoints(ctx, []string{inc.Client + "/*"}, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range sessions {
		asks, err := e.finders(ctx, s)
		if err != nil {
			return nil, nil, err
		}
		i := slices.IndexFunc(eps, func(ep console.Endpoint) bool { return ep.ID == s.Endpoint })
		if len(asks) == 0 || i < 0 {
			continue
		}
		roles := pack.Roles(eps[i].Labels)
		if len(roles) == 0 {
			skipped = append(skipped, eps[i].Path())
			continue
		}
		for _, a := range asks {
			lines = append(lines, roles[0]+": "+a.Line())
		}
	}
	slices.Sort(lines)
	slices.Sort(skipped)
	return slices.Compact(lines), slices.Compact(skipped), nil
}

// finders returns the checks of a session that found something.
func (e *env) finders(ctx context.Context, s console.Session) ([]check.Ask, error) {
	evs, err := e.answers(ctx, s)
	if err != nil {
		return nil, err
	}
	var asks []check.Ask
	for _, a := range evs {
		if len(a.result.Findings) > 0 {
			asks = append(asks, a.ask)
		}
	}
	return asks, nil
}
