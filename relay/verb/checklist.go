package verb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// list prints what the endpoints can be asked, or one of them, if a target is given.
func (v *checkVerb) list(ctx context.Context, e *env) error {
	specs, err := v.listed(ctx, e)
	if err != nil {
		return err
	}
	if v.JSON {
		for _, s := range specs {
			if err := e.out.json(s); err != nil {
				return err
			}
		}
		return nil
	}
	t := table{head: []string{"CHECK", "EFFECT", "FOR", "TELLS"}}
	for _, s := range specs {
		roles := strings.Join(s.Roles, ",")
		if roles == "" {
			roles = "any"
		}
		t.add(s.Name, string(s.Effect), roles, s.Summary)
	}
	e.print(t)
	return nil
}

// listed returns the checks of all endpoints, or of those that the words name.
func (v *checkVerb) listed(ctx context.Context, e *env) ([]check.Spec, error) {
	if len(v.Words) == 0 && len(v.Labels) == 0 {
		return e.call.Backend.Checks(ctx, "")
	}
	eps, err := e.endpoints(ctx, v.Words, v.Labels)
	if err != nil {
		return nil, err
	}
	var all []check.Spec
	for _, ep := range eps {
		specs, err := e.call.Backend.Checks(ctx, ep.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, specs...)
	}
	slices.SortFunc(all, func(a, b check.Spec) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b check.Spec) bool { return a.Name == b.Name }), nil
}

// columns returns rows of safe text with aligned columns.
func columns(rows [][]string) []byte {
	widths := check.Widths(rows)
	var out []byte
	for _, row := range rows {
		for i, c := range row {
			if i == len(row)-1 {
				out = fmt.Appendf(out, "%s\n", c)
				continue
			}
			out = fmt.Appendf(out, "%-*s  ", widths[i], c)
		}
	}
	return out
}

// A checkHelp explains one check: `check CHECK --help`.
type checkHelp struct{ name string }

// checkHelpOf returns the verb that explains the check among the words, if one is.
func checkHelpOf(words []string) (runner, bool) {
	if words[0] != "check" {
		return nil, false
	}
	for _, w := range words[1:] {
		if checkName.MatchString(w) {
			return &checkHelp{w}, true
		}
	}
	return nil, false
}

func (v *checkHelp) run(ctx context.Context, e *env) error {
	specs, err := e.call.Backend.Checks(ctx, "")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(specs, func(s check.Spec) bool { return s.Name == v.name })
	if i < 0 {
		return console.Errorf(console.CodeNotFound, "see `check --list`", "no endpoint of yours has a check %q", v.name)
	}
	e.out.data(explain(specs[i]))
	return nil
}

// explain returns all that is declared of a check, for people.
func explain(s check.Spec) []byte {
	var out []byte
	say := func(format string, args ...any) {
		out = fmt.Appendf(out, "%s\n", vt.Plain(fmt.Sprintf(format, args...)))
	}
	say("%s: %s", s.Name, s.Summary)
	how := fmt.Sprintf("effect %s, at most %s", s.Effect, check.Span(s.Timeout))
	if s.Samples > 0 {
		how += ", watches for " + check.Span(s.Samples)
	}
	if s.Live {
		how += ", until somebody ends it"
	}
	say("%s", how)
	say("source: %s", s.Source)
	if s.Undo != "" {
		say("undo: %s", s.Undo)
	}
	if len(s.Params) > 0 {
		rows := [][]string{}
		for _, p := range s.Params {
			rows = append(rows, []string{"  " + vt.Plain(p.Name) + "=", vt.Plain(explainParam(p))})
		}
		out = append(out, "\nparameters\n"...)
		out = append(out, columns(rows)...)
	}
	for _, t := range s.Tables {
		out = append(out, "\n"...)
		say("rows %s", t.Name)
		rows := [][]string{}
		for _, c := range t.Columns {
			rows = append(rows, []string{"  " + vt.Plain(c.Name), vt.Plain(strings.TrimSpace(string(c.Type) + " " + c.Unit))})
		}
		out = append(out, columns(rows)...)
	}
	return out
}

func explainParam(p check.Param) string {
	text := p.Summary
	switch {
	case p.Required:
		text += " (required)"
	case p.Default != "":
		text += " (" + strings.TrimSpace(p.Default+" "+p.Unit) + ")"
	}
	if len(p.Values) > 0 {
		text += ": " + strings.Join(p.Values, ", ")
	}
	return text
}
