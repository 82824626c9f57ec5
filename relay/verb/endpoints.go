package verb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caisey/caisey/relay/console"
)

// endpoints returns the endpoints that targets and labels mean, by their paths.
func (e *env) endpoints(ctx context.Context, targets, labels []string) ([]console.Endpoint, error) {
	sel := console.Selector{Targets: targets}
	for _, l := range labels {
		terms, err := console.ParseLabels(l)
		if err != nil {
			return nil, err
		}
		sel.Labels = append(sel.Labels, terms...)
	}
	roster, err := e.call.Backend.Directory(ctx)
	if err != nil {
		return nil, err
	}
	defer roster.Close()
	all, err := roster.Next(ctx)
	if err != nil {
		return nil, err
	}
	if len(all.Endpoints) == 0 && len(targets)+len(labels) == 0 {
		return nil, nil
	}
	return sel.Select(all.Endpoints)
}

type lsVerb struct {
	Target []string `arg:"" optional:"" help:"Globs over CLIENT/ENDPOINT, such as acme/* or db0?."`
	Labels []string `short:"l" sep:"none" placeholder:"KEY=VALUE,KEY!=VALUE" help:"Only endpoints with these labels."`
	JSON   bool     `name:"json" help:"One JSON object a line."`
}

func (v *lsVerb) run(ctx context.Context, e *env) error {
	eps, err := e.endpoints(ctx, v.Target, v.Labels)
	if err != nil {
		return err
	}
	if v.JSON {
		for _, ep := range eps {
			ep.Since = ep.Since.UTC()
			if err := e.out.json(ep); err != nil {
				return err
			}
		}
		return nil
	}
	if len(eps) == 0 {
		e.out.sayf("no endpoint is enrolled yet; make a token with `token new --client CLIENT`")
		return nil
	}
	t := table{head: []string{"ENDPOINT", "STATE", "SINCE", "OS", "RUNNING", "ON", "LABELS"}}
	now := e.call.Now()
	for _, ep := range eps {
		state := "offline"
		if ep.Online {
			state = "online"
		}
		switch {
		case ep.Quarantined:
			state += ",QUARANTINED"
		case slices.Contains(ep.Effects, console.NoEffect):
			state += ",REFUSES-ALL"
		case ep.ReadOnly():
			state += ",READ-ONLY"
		}
		t.add(ep.Path(), state, ago(now, ep.Since), dash(strings.Trim(ep.OS+"/"+ep.Arch, "/")),
			fmt.Sprint(ep.Running), dash(strings.Join(ep.On, ",")), dash(labelText(ep.Labels)))
	}
	e.print(t)
	return nil
}

func labelText(labels map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return strings.Join(out, ",")
}

// dash keeps columns apart where a cell has nothing to say.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type openVerb struct {
	Target []string `arg:"" help:"Globs over CLIENT/ENDPOINT."`
}

func (v *openVerb) run(ctx context.Context, e *env) error {
	if e.call.Open == nil {
		return console.Errorf(console.CodeUsage, "ask for one with `ssh -t`, or use `run`",
			"open %s: there is no terminal", strings.Join(v.Target, " "))
	}
	if _, err := e.endpoints(ctx, v.Target, nil); err != nil {
		return err
	}
	if code := e.call.Open(ctx, v.Target); code != ExitOK {
		return exitError(code)
	}
	return nil
}
