package verb

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/pack"
)

type symVerb struct {
	Symptom string   `arg:"" help:"Its name: see pack ls."`
	Client  string   `arg:"" help:"@CLIENT: whose endpoints."`
	Plan    bool     `help:"Only show the plan."`
	Timeout duration `default:"60s" help:"How long each check may take; 0 means as long as the check itself allows."`
	Reason  string   `placeholder:"TEXT" help:"Why, for those who may have to approve it."`
	JSON    bool     `name:"json" help:"One JSON event a line."`
}

func (v *symVerb) run(ctx context.Context, e *env) error {
	client, ok := strings.CutPrefix(v.Client, "@")
	if !ok || client == "" {
		return console.Errorf(console.CodeUsage, "write sym "+v.Symptom+" @CLIENT", "%q is not @ and a client", v.Client)
	}
	p, err := e.symptom(ctx, v.Symptom, client, asking{timeout: time.Duration(v.Timeout), reason: v.Reason})
	if err != nil {
		return err
	}
	for _, line := range p.lines() {
		if v.Plan {
			e.out.data([]byte(line + "\n"))
		} else {
			e.out.sayf("%s", line)
		}
	}
	if v.Plan {
		return nil
	}
	r := &running{env: e, json: v.JSON, slots: make(chan struct{}, maxAsking)}
	return r.run(ctx, p.targets, "")
}

// symptom plans what a symptom asks the endpoints of a client, by their roles.
func (e *env) symptom(ctx context.Context, name, client string, how asking) (*plan, error) {
	packs, err := e.call.Backend.Packs(ctx)
	if err != nil {
		return nil, err
	}
	find := packsOf(packs, client)
	text, ok := find(name)
	if !ok {
		return nil, console.Errorf(console.CodeNotFound, "see `pack ls`", "there is no symptom %.80q for %s", name, client)
	}
	sym, err := pack.Parse(text)
	if err != nil || !sym.Symptom() {
		return nil, console.Errorf(console.CodeUsage, "see `pack show "+name+"`", "%s is not a symptom: its lines have no roles", name)
	}
	eps, err := e.endpoints(ctx, []string{client + "/*"}, nil)
	if err != nil {
		return nil, err
	}
	how.targets = len(eps)
	p := &plan{}
	for _, ep := range eps {
		roles := pack.Roles(ep.Labels)
		if !slices.ContainsFunc(sym.Lines, func(l pack.Line) bool { return slices.Contains(roles, l.Role) }) {
			continue
		}
		specs, err := e.call.Backend.Checks(ctx, ep.ID)
		if err != nil {
			p.unreached(ep, err)
			continue
		}
		asks, err := pack.Plan(sym, roles, find, specs)
		if err != nil {
			return nil, console.Errorf(console.CodeUsage, "see `pack show "+name+"`", "symptom %s: %v", name, err)
		}
		if err := p.add(ep, asks, specs, how); err != nil {
			return nil, err
		}
	}
	if len(p.targets) == 0 {
		return nil, console.Errorf(console.CodeNotFound, "label them: endpoint label "+client+"/NAME role=app",
			"no endpoint of %s has a role of symptom %s: %s", client, name, strings.Join(symRoles(sym), ", "))
	}
	return p, nil
}

func symRoles(p pack.Pack) []string {
	var out []string
	for _, l := range p.Lines {
		if !slices.Contains(out, l.Role) {
			out = append(out, l.Role)
		}
	}
	return out
}
