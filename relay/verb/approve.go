package verb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/transcript"
	"github.com/caisey/caisey/tui/vt"
)

// waiting returns what waits for an answer.
func (e *env) waiting(ctx context.Context) ([]console.Approval, error) {
	in, err := e.call.Backend.Inbox(ctx)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return in.Next(ctx)
}

// exactly returns the step that waits and that somebody means to have run: by its
// whole ID, or by the digest that was shown. What a shorter one means can change
// between looking and answering.
func (e *env) exactly(ctx context.Context, verb, id, digest string) (console.Approval, error) {
	a, err := e.held(ctx, id)
	if err != nil {
		return a, err
	}
	if digest == "" && !strings.EqualFold(string(a.Step), id) {
		return a, console.Errorf(console.CodeUsage, "write the whole id, or --digest as `approve show` prints it", "%s: %s is not the whole id of a step", verb, id)
	}
	if digest != "" {
		a.Digest = digest
	}
	return a, nil
}

// held returns the one step that waits and whose ID is id or begins with it.
func (e *env) held(ctx context.Context, id string) (console.Approval, error) {
	all, err := e.waiting(ctx)
	if err != nil {
		return console.Approval{}, err
	}
	var found []console.Approval
	for _, a := range all {
		if id != "" && strings.HasPrefix(string(a.Step), strings.ToUpper(id)) {
			found = append(found, a)
		}
	}
	switch len(found) {
	case 0:
		return console.Approval{}, console.Errorf(console.CodeUsage, "see `approve ls`", "no step %.40q waits for an answer", id)
	case 1:
		return found[0], nil
	}
	return console.Approval{}, console.Errorf(console.CodeUsage, "write more of it", "more than one step that waits begins with %s", id)
}

type approveLsVerb struct {
	JSON bool `name:"json" help:"One JSON object a line."`
}

func (v *approveLsVerb) run(ctx context.Context, e *env) error {
	all, err := e.waiting(ctx)
	if err != nil {
		return err
	}
	if v.JSON {
		for _, a := range all {
			a.Asked, a.Expires = a.Asked.UTC(), a.Expires.UTC()
			if err := e.out.json(a); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		e.out.sayf("nothing waits for an answer")
		return nil
	}
	t := table{head: []string{"STEP", "ENDPOINT", "BY", "YOU", "HAS", "LEFT", "RULE", "COMMAND"}}
	for _, a := range all {
		t.add(string(a.Step), a.Path(), a.By, mayText(a), fmt.Sprintf("%d/%d", len(a.Granted), a.Need),
			short(a.Expires.Sub(e.call.Now()).Truncate(time.Second)), strings.Join(a.Rules, ","), vt.ASCII(a.Command))
	}
	e.print(t)
	return nil
}

func mayText(a console.Approval) string {
	switch {
	case a.Mine:
		return "asked"
	case a.May:
		return "may"
	}
	return "-"
}

type approveShowVerb struct {
	ID string `arg:"" help:"The step, or how its id begins."`
}

func (v *approveShowVerb) run(ctx context.Context, e *env) error {
	a, err := e.held(ctx, v.ID)
	if err != nil {
		return err
	}
	e.out.data([]byte(order(a)))
	return nil
}

// outsideWidth is where what people wrote goes on in the next line: before a terminal of
// 76 columns would do that, whose next line could look like one of ours.
const outsideWidth = 60

// goesOn stands before a line in which what people wrote goes on. They cannot write it:
// what they wrote is ASCII here.
const goesOn = "│ "

// outside writes what somebody wrote, in ASCII, in lines each of which says that it is
// that.
func outside(s string) string {
	s = vt.ASCII(s)
	var b strings.Builder
	for len(s) > outsideWidth {
		b.WriteString(s[:outsideWidth] + "\n" + goesOn)
		s = s[outsideWidth:]
	}
	return b.String() + s
}

// order says exactly what waits. What people wrote is in ASCII, and can pass for nothing
// else.
func order(a console.Approval) string {
	limit := "none"
	if a.Timeout > 0 {
		limit = time.Duration(a.Timeout * float64(time.Second)).String()
	}
	var b strings.Builder
	for _, row := range [][2]string{
		{"command", outside(a.Command)},
		{"effect", string(a.Effect)},
		{"endpoint", a.Path()},
		{"asked by", a.By},
		{"reason", outside(a.Reason)},
		{"undo", outside(a.Undo)},
		{"time limit", limit},
		{"approved by", strings.Join(a.Granted, ", ")},
		{"needs", fmt.Sprint(a.Need)},
		{"rule", strings.Join(a.Rules, ", ")},
		{"asked at", a.Asked.UTC().Format(time.RFC3339)},
		{"expires at", a.Expires.UTC().Format(time.RFC3339)},
		{"session", string(a.Session)},
		{"step", string(a.Step)},
		{"digest", a.Digest},
	} {
		for i, line := range strings.Split(dash(row[1]), "\n") {
			if i > 0 {
				row[0] = ""
			}
			fmt.Fprintf(&b, "%-12s %s\n", row[0], vt.Plain(line))
		}
	}
	return b.String()
}

type approveGrantVerb struct {
	ID     string `arg:"" help:"The step: its whole id, or with --digest how that begins."`
	Digest string `placeholder:"DIGEST" help:"Only if what waits still has this digest, as approve show printed it."`
}

func (v *approveGrantVerb) run(ctx context.Context, e *env) error {
	a, err := e.exactly(ctx, "approve grant", v.ID, v.Digest)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.Approve{Session: a.Session, Step: a.Step, Digest: a.Digest}); err != nil {
		return err
	}
	e.out.sayf("approved for %s on %s: %s", a.By, a.Path(), vt.ASCII(a.Command))
	return nil
}

type approveDenyVerb struct {
	ID  string `arg:"" help:"The step, or how its id begins."`
	Why string `required:"" placeholder:"TEXT" help:"Why not: the asker reads it."`
}

func (v *approveDenyVerb) run(ctx context.Context, e *env) error {
	a, err := e.held(ctx, v.ID)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.Deny{Session: a.Session, Step: a.Step, Digest: a.Digest, Why: v.Why}); err != nil {
		return err
	}
	e.out.sayf("denied to %s on %s", a.By, a.Path())
	return nil
}

type approveOverrideVerb struct {
	ID     string `arg:"" help:"The step: its whole id, or with --digest how that begins."`
	Digest string `placeholder:"DIGEST" help:"Only if what waits still has this digest, as approve show printed it."`
	Why    string `required:"" placeholder:"TEXT" help:"Why it cannot wait. It stands in the record and in the fleet's log."`
}

func (v *approveOverrideVerb) run(ctx context.Context, e *env) error {
	a, err := e.exactly(ctx, "approve override", v.ID, v.Digest)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.Override{Session: a.Session, Step: a.Step, Digest: a.Digest, Why: v.Why}); err != nil {
		return err
	}
	e.out.sayf("OVERRIDDEN without approval, on %s: %s", a.Path(), vt.ASCII(a.Command))
	return nil
}

// gate tells the person who waits what happens at the gate.
func (r *running) gate(res result, ev sessionlog.Event) {
	switch ev.Kind {
	case sessionlog.ApprovalRequested:
		var h sessionlog.Hold
		if ev.Decode(&h) == nil {
			r.out.sayf("%s: waits for %s until %s (%s); they answer with `approve grant %s`", res.ep.Path(),
				count(h.Need, "approval"), h.Expires.UTC().Format("15:04 MST"), strings.Join(h.Rules, ", "), res.step)
		}
	case sessionlog.ApprovalGranted:
		r.out.sayf("%s: approved by %s", res.ep.Path(), ev.Actor.Name())
	case sessionlog.ApprovalOverridden:
		r.out.sayf("%s: OVERRIDDEN by %s", res.ep.Path(), ev.Actor.Name())
	case sessionlog.ApprovalReused, sessionlog.ApprovalWaived:
		r.out.sayf("%s: %s", res.ep.Path(), transcript.Gate(ev, time.UTC))
	}
}
