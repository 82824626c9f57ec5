package verb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/pack"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// packsOf returns what finds packs for a client: its own before those for every client.
func packsOf(packs []console.Pack, client string) pack.Lookup {
	return func(name string) (string, bool) {
		for _, c := range []string{client, ""} {
			i := slices.IndexFunc(packs, func(p console.Pack) bool { return p.Client == c && p.Name == name })
			if i >= 0 {
				return packs[i].Text, true
			}
		}
		return "", false
	}
}

// packed returns what the pack of that name asks the endpoints.
func (e *env) packed(ctx context.Context, eps []console.Endpoint, name string, how asking) ([]target, error) {
	packs, err := e.call.Backend.Packs(ctx)
	if err != nil {
		return nil, err
	}
	var p plan
	for _, ep := range eps {
		specs, err := e.call.Backend.Checks(ctx, ep.ID)
		if err != nil {
			p.unreached(ep, err)
			continue
		}
		asks, err := pack.Expand(name, packsOf(packs, ep.Client), specs)
		if err != nil {
			return nil, console.Errorf(console.CodeUsage, "see `pack ls`", "%s: %v", ep.Path(), err)
		}
		if err := p.add(ep, asks, specs, how); err != nil {
			return nil, err
		}
	}
	if len(p.targets) == 0 {
		return nil, console.Errorf(console.CodeUsage, "see `pack show "+name+"`", "@%s asks these endpoints nothing", name)
	}
	return p.targets, nil
}

// A plan is what is to be asked of whom, before it is.
type plan struct {
	targets       []target
	reads, probes int
	seconds       float64             // that the longest of them watches
	byEndpoint    map[string][]string // checks
	offline       []string
}

// unreached adds an endpoint that cannot be asked now. It is a target all the same: what
// becomes of it is told with the others.
func (p *plan) unreached(ep console.Endpoint, err error) {
	p.offline = append(p.offline, ep.Path())
	p.targets = append(p.targets, target{ep: ep, refused: err})
}

// add adds what an endpoint is asked. A plan changes nothing.
func (p *plan) add(ep console.Endpoint, asks []check.Ask, specs []check.Spec, how asking) error {
	for _, a := range asks {
		t := target{ep: ep, label: a.Name, intent: how.intent(a)}
		i := slices.IndexFunc(specs, func(s check.Spec) bool { return s.Name == a.Name })
		switch {
		case i < 0: // another system: its relay says so where it is asked
		case specs[i].Effect == sessionlog.EffectChange:
			return console.Errorf(console.CodeUsage, "ask it by itself: check "+ep.Path()+" "+a.Name, "%s changes the endpoint, and a pack never does", a.Name)
		case specs[i].Effect == sessionlog.EffectProbe:
			p.probes++
		default:
			p.reads++
		}
		if i >= 0 {
			p.seconds = max(p.seconds, specs[i].Samples)
		}
		if p.byEndpoint == nil {
			p.byEndpoint = map[string][]string{}
		}
		p.byEndpoint[ep.Path()] = append(p.byEndpoint[ep.Path()], a.Name)
		p.targets = append(p.targets, t)
	}
	return nil
}

// lines say what the plan is: one for each endpoint, and a sum.
func (p *plan) lines() []string {
	var out []string
	paths := []string{}
	for path := range p.byEndpoint {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		out = append(out, vt.Plain(fmt.Sprintf("%s: %s", path, strings.Join(p.byEndpoint[path], ", "))))
	}
	for _, path := range p.offline {
		out = append(out, vt.Plain(path+": not reached"))
	}
	return append(out, fmt.Sprintf("%s, %s, %s, 0 changes, about %s", count(len(paths), "endpoint"),
		count(p.reads, "read"), count(p.probes, "probe"), check.Span(p.seconds+1)))
}
