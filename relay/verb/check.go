package verb

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

type checkVerb struct {
	Words   []string `arg:"" optional:"" name:"words" help:"TARGET… CHECK [NAME=VALUE]… or TARGET… @PACK: globs over CLIENT/ENDPOINT, then what to ask."`
	Labels  []string `short:"l" sep:"none" placeholder:"KEY=VALUE,KEY!=VALUE" help:"Only endpoints with these labels."`
	List    bool     `help:"List the checks that your endpoints can be asked."`
	Timeout duration `default:"60s" help:"How long it may take; 0 means as long as the check itself allows."`
	Reason  string   `placeholder:"TEXT" help:"Why, for those who may have to approve it."`
	Undo    string   `placeholder:"TEXT" help:"How it can be taken back, for them too; where it is empty, what the check says."`
	Fold    bool     `xor:"form" help:"Group targets that answer the same; show the others as a diff."`
	JSON    bool     `name:"json" xor:"form" help:"One JSON event a line; with --list, one check a line."`
	CSV     bool     `name:"csv" xor:"form" help:"The rows as CSV, one table after the other."`
	Raw     bool     `xor:"form" help:"The raw evidence instead of the rows."`
	FailOn  string   `enum:"never,info,warn,crit" default:"never" help:"Exit with 1 if a finding is at least as bad: info, warn or crit."`
}

// checkName is what the name of a check looks like.
var checkName = regexp.MustCompile(`^[a-z][a-z0-9]*\.[a-z][a-z0-9]*$`)

// A question is what the words of a check verb ask.
type question struct {
	targets []string
	name    string
	pack    string // of checks, instead of one
	args    map[string]string
}

// parseQuestion reads TARGET… CHECK [NAME=VALUE]…
func parseQuestion(words []string) (question, error) {
	q := question{args: map[string]string{}}
	i := len(words)
	for ; i > 0 && strings.Contains(words[i-1], "=") && !strings.Contains(words[i-1], "/="); i-- {
		k, v, _ := strings.Cut(words[i-1], "=")
		if _, twice := q.args[k]; twice {
			return q, console.Errorf(console.CodeUsage, "", "%s= is there twice", k)
		}
		q.args[k] = v
	}
	if i == 0 {
		return q, console.Errorf(console.CodeUsage, "see `check --list`", "check: there is no check among the words")
	}
	q.targets, q.name = words[:i-1], words[i-1]
	if other, ok := strings.CutPrefix(q.name, "@"); ok && len(q.args) == 0 && len(q.targets) > 0 {
		q.pack = other
		return q, nil
	}
	if !checkName.MatchString(q.name) {
		return q, console.Errorf(console.CodeUsage, "write the targets, then the check, then NAME=VALUE; see `check --list`", "%q is neither a check nor an @PACK", q.name)
	}
	if len(q.targets) == 0 {
		return q, console.Errorf(console.CodeUsage, "write them before it: check acme/db01 "+q.name, "check %s: there is no target", q.name)
	}
	return q, nil
}

func (v *checkVerb) run(ctx context.Context, e *env) error {
	if v.List {
		return v.list(ctx, e)
	}
	q, err := parseQuestion(v.Words)
	if err != nil {
		return err
	}
	eps, err := e.endpoints(ctx, q.targets, v.Labels)
	if err != nil {
		return err
	}
	how := asking{timeout: time.Duration(v.Timeout), targets: len(eps), reason: v.Reason, undo: v.Undo}
	var targets []target
	if q.pack != "" {
		if targets, err = e.packed(ctx, eps, q.pack, how); err != nil {
			return err
		}
	} else {
		for _, ep := range eps {
			targets = append(targets, target{ep: ep, intent: how.intent(check.Ask{Name: q.name, Args: q.args})})
		}
	}
	r := &running{env: e, json: v.JSON, csv: v.CSV, raw: v.Raw, fold: v.Fold && len(targets) > 1, slots: make(chan struct{}, maxAsking)}
	return r.run(ctx, targets, check.Severity(v.FailOn))
}

// asking is how checks are asked.
type asking struct {
	timeout      time.Duration
	targets      int // endpoints
	reason, undo string
}

// intent returns what asks a in a session.
func (h asking) intent(a check.Ask) func(sessionlog.SessionID, sessionlog.StepID) console.Intent {
	return func(session sessionlog.SessionID, step sessionlog.StepID) console.Intent {
		return console.Ask{
			Session: session, Step: step, Check: a.Name, Args: a.Args, Timeout: h.timeout,
			Targets: h.targets, Reason: h.reason, Undo: h.undo,
		}
	}
}
