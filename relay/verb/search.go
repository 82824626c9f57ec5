package verb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

type searchVerb struct {
	Text     []string `arg:"" help:"What to find, as it stands there; the last word may be only begun."`
	Client   string   `placeholder:"CLIENT" help:"Only in records of this client."`
	By       string   `placeholder:"TECHNICIAN" help:"Only in records of this technician."`
	Incident string   `placeholder:"ID" help:"Only in records of this incident's sessions."`
	Since    duration `placeholder:"DURATION" help:"Only what happened in this time, such as 2h or 3d."`
	Until    duration `placeholder:"DURATION" help:"Only what happened before this time, such as 1h."`
	Limit    int      `default:"100" placeholder:"100" help:"The most hits."`
	JSON     bool     `name:"json" help:"One JSON object a line."`
}

func (v *searchVerb) run(ctx context.Context, e *env) error {
	q := console.TextQuery{Text: strings.Join(v.Text, " "), Client: v.Client, By: v.By, Limit: v.Limit}
	if v.Limit < 1 {
		return console.Errorf(console.CodeUsage, "", "search: a limit of %d finds nothing", v.Limit)
	}
	if v.Since > 0 {
		q.Since = e.call.Now().Add(-time.Duration(v.Since))
	}
	if v.Until > 0 {
		q.Until = e.call.Now().Add(-time.Duration(v.Until))
	}
	if v.Incident != "" {
		inc, err := e.incident(ctx, v.Incident)
		if err != nil {
			return err
		}
		q.Incident = inc.ID
	}
	found, err := e.call.Backend.Find(ctx, q)
	if err != nil {
		return err
	}
	if err := v.print(e, found.Hits); err != nil {
		return err
	}
	if found.Behind > 0 {
		e.out.sayf("%d records are not read to their end yet", found.Behind)
	}
	switch {
	case len(found.Hits) == 0:
		e.out.sayf("nothing found")
	case found.More:
		e.out.sayf("there may be more; raise --limit, or narrow with --client, --by, --since and --until")
	}
	return nil
}

func (v *searchVerb) print(e *env, hits []console.Hit) error {
	if v.JSON {
		for _, h := range hits {
			h.Time = h.Time.UTC()
			if err := e.out.json(h); err != nil {
				return err
			}
		}
		return nil
	}
	if len(hits) == 0 {
		return nil
	}
	t := table{head: []string{"SESSION", "EVENT", "TIME", "ENDPOINT", "BY", "LINE"}}
	for _, h := range hits {
		t.add(string(h.Session), fmt.Sprint(h.Seq), h.Time.UTC().Format(time.RFC3339), h.Path(), h.By, strings.TrimSpace(vt.Plain(h.Line)))
	}
	e.print(t)
	return nil
}
