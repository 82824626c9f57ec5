package verb

import (
	"context"
	"strings"

	"github.com/caisey/caisey/relay/console"
)

// endpoint returns the one endpoint that a target means.
func (e *env) endpoint(ctx context.Context, verb, target string) (console.Endpoint, error) {
	eps, err := e.endpoints(ctx, []string{target}, nil)
	switch {
	case err != nil:
		return console.Endpoint{}, err
	case len(eps) > 1:
		return console.Endpoint{}, console.Errorf(console.CodeUsage, "name one", "%s: %q means %d endpoints", verb, target, len(eps))
	}
	return eps[0], nil
}

type endpointLabelVerb struct {
	Target string   `arg:"" help:"Globs over CLIENT/ENDPOINT."`
	Label  []string `arg:"" help:"KEY=VALUE sets a label, KEY- removes it."`
}

func (v *endpointLabelVerb) run(ctx context.Context, e *env) error {
	in := console.LabelEndpoint{Set: map[string]string{}}
	for _, l := range v.Label {
		key, value, set := strings.Cut(l, "=")
		old, remove := strings.CutSuffix(l, "-")
		switch {
		case set:
			in.Set[key] = value
		case remove:
			in.Remove = append(in.Remove, old)
		default:
			return console.Errorf(console.CodeUsage, "write KEY=VALUE or KEY-", "endpoint label: %q is no label", l)
		}
	}
	eps, err := e.endpoints(ctx, []string{v.Target}, nil)
	if err != nil {
		return err
	}
	for _, ep := range eps {
		in.Endpoint = ep.ID
		if _, err := e.call.Backend.Do(ctx, in); err != nil {
			return err
		}
	}
	e.out.sayf("labelled %s", count(len(eps), "endpoint"))
	return nil
}

type endpointRenameVerb struct {
	Target string `arg:"" help:"CLIENT/ENDPOINT."`
	Name   string `arg:"" help:"The new name."`
}

func (v *endpointRenameVerb) run(ctx context.Context, e *env) error {
	ep, err := e.endpoint(ctx, "endpoint rename", v.Target)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.RenameEndpoint{Endpoint: ep.ID, Name: v.Name}); err != nil {
		return err
	}
	e.out.sayf("%s is %s/%s from now on", ep.Path(), ep.Client, v.Name)
	return nil
}

type endpointMoveVerb struct {
	Target string `arg:"" help:"CLIENT/ENDPOINT."`
	Client string `arg:"" help:"The client that it belongs to from now on."`
}

func (v *endpointMoveVerb) run(ctx context.Context, e *env) error {
	ep, err := e.endpoint(ctx, "endpoint move", v.Target)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.MoveEndpoint{Endpoint: ep.ID, Client: v.Client}); err != nil {
		return err
	}
	e.out.sayf("%s is %s/%s from now on; its sessions so far stay with %s", ep.Path(), v.Client, ep.Name, ep.Client)
	return nil
}

type endpointClearVerb struct {
	Target string `arg:"" help:"CLIENT/ENDPOINT."`
}

func (v *endpointClearVerb) run(ctx context.Context, e *env) error {
	ep, err := e.endpoint(ctx, "endpoint clear", v.Target)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.ClearEndpoint{Endpoint: ep.ID}); err != nil {
		return err
	}
	e.out.sayf("%s may connect again; within 5 minutes, or when its agent starts", ep.Path())
	return nil
}

type endpointRevokeVerb struct {
	Target string `arg:"" help:"CLIENT/ENDPOINT."`
	Why    string `placeholder:"TEXT" help:"Why, for the fleet's log."`
}

func (v *endpointRevokeVerb) run(ctx context.Context, e *env) error {
	ep, err := e.endpoint(ctx, "endpoint revoke", v.Target)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.RevokeEndpoint{Endpoint: ep.ID, Why: v.Why}); err != nil {
		return err
	}
	e.out.sayf("%s is out of the fleet; to have it back, enrol it anew", ep.Path())
	return nil
}
