package verb

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/pack"
	"github.com/caisey/caisey/tui/vt"
)

type packLsVerb struct {
	JSON bool `name:"json" help:"One JSON object a line."`
}

func (v *packLsVerb) run(ctx context.Context, e *env) error {
	packs, err := e.call.Backend.Packs(ctx)
	if err != nil {
		return err
	}
	t := table{head: []string{"PACK", "CLIENT", "KIND", "BY", "SAVED", "SUMMARY"}}
	for _, p := range packs {
		if v.JSON {
			p.At = p.At.UTC()
			if err := e.out.json(p); err != nil {
				return err
			}
			continue
		}
		parsed, _ := pack.Parse(p.Text) // what a newer relay took may not parse here
		kind := "pack"
		switch {
		case p.Name == pack.Thresholds:
			kind = "thresholds"
		case parsed.Symptom():
			kind = "symptom"
		}
		t.add(p.Name, dash(p.Client), kind, p.By, p.At.UTC().Format(time.RFC3339), parsed.Summary)
	}
	if !v.JSON && len(packs) > 0 {
		e.print(t)
	}
	if len(packs) == 0 {
		e.out.sayf("none is saved; @dc, @db, @web, @app and @file ask what the endpoint can be asked for that role")
	}
	return nil
}

type packShowVerb struct {
	Name   string `arg:"" help:"Its name."`
	Client string `placeholder:"CLIENT" help:"The client's own; otherwise the one for every client."`
}

func (v *packShowVerb) run(ctx context.Context, e *env) error {
	packs, err := e.call.Backend.Packs(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(packs, func(p console.Pack) bool { return p.Name == v.Name && p.Client == v.Client })
	if i < 0 {
		return console.Errorf(console.CodeNotFound, "see `pack ls`", "there is no pack %.80q for %s", v.Name, clientOrAll(v.Client))
	}
	for line := range strings.Lines(packs[i].Text) {
		e.out.data([]byte(vt.Plain(strings.TrimSuffix(line, "\n")) + "\n"))
	}
	return nil
}

type packSaveVerb struct {
	Name   string `arg:"" help:"Its name; thresholds is that of the thresholds."`
	File   string `arg:"" help:"Its text: a file, or - for standard input."`
	Client string `placeholder:"CLIENT" help:"Whose it is; otherwise it is for every client."`
}

func (v *packSaveVerb) run(ctx context.Context, e *env) error {
	text, err := e.readText("pack save", v.File)
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) == "" {
		return console.Errorf(console.CodeUsage, "`pack rm` takes one away", "pack save %s: there is no text", v.Name)
	}
	if _, err := e.call.Backend.Do(ctx, console.SavePack{Name: v.Name, Client: v.Client, Text: text}); err != nil {
		return err
	}
	e.out.sayf("saved %s for %s", v.Name, clientOrAll(v.Client))
	return nil
}

type packRmVerb struct {
	Name   string `arg:"" help:"Its name."`
	Client string `placeholder:"CLIENT" help:"The client's own; otherwise the one for every client."`
}

func (v *packRmVerb) run(ctx context.Context, e *env) error {
	if _, err := e.call.Backend.Do(ctx, console.SavePack{Name: v.Name, Client: v.Client}); err != nil {
		return err
	}
	e.out.sayf("took away %s for %s", v.Name, clientOrAll(v.Client))
	return nil
}

func clientOrAll(client string) string {
	if client == "" {
		return "every client"
	}
	return client
}
