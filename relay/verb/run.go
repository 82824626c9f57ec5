package verb

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

const (
	// maxAsking is how many targets are asked at once.
	maxAsking = 64
	// cancelGrace is how long a cancelled step has to say how it ended.
	cancelGrace = 5 * time.Second
)

type runVerb struct {
	Target  []string `arg:"" help:"Globs over CLIENT/ENDPOINT. The command stands after --."`
	Labels  []string `short:"l" sep:"none" placeholder:"KEY=VALUE,KEY!=VALUE" help:"Only endpoints with these labels."`
	Timeout duration `default:"60s" help:"How long the command may run; 0 means for ever."`
	Reason  string   `placeholder:"TEXT" help:"Why, for those who may have to approve it."`
	Undo    string   `placeholder:"TEXT" help:"How it can be taken back, for them too."`
	Fold    bool     `xor:"form" help:"Group targets that print the same; show the others as a diff."`
	JSON    bool     `name:"json" xor:"form" help:"One JSON event a line."`
}

func (v *runVerb) run(ctx context.Context, e *env) error {
	if !e.hasCmd || strings.TrimSpace(e.command) == "" {
		return console.Errorf(console.CodeUsage, "write it after the targets: run acme/db01 -- uptime",
			"run %s: there is no command", strings.Join(v.Target, " "))
	}
	eps, err := e.endpoints(ctx, v.Target, v.Labels)
	if err != nil {
		return err
	}
	orders := make([]target, len(eps))
	for i, ep := range eps {
		orders[i] = target{ep: ep, intent: func(session sessionlog.SessionID, step sessionlog.StepID) console.Intent {
			return console.Run{
				Session: session, Step: step, Command: e.command, Timeout: time.Duration(v.Timeout),
				Targets: len(eps), Reason: v.Reason, Undo: v.Undo,
			}
		}}
	}
	r := &running{env: e, json: v.JSON, fold: v.Fold && len(eps) > 1, slots: make(chan struct{}, maxAsking)}
	return r.run(ctx, orders, "")
}

// running is one command on its way to all its targets.
type running struct {
	*env
	json  bool
	csv   bool          // of checks: their rows as CSV
	raw   bool          // of checks: their evidence instead of their rows
	fold  bool          // output is held until all targets have ended
	slots chan struct{} // held by a target while it is asked
}

// A target is an endpoint and what it is asked.
type target struct {
	ep console.Endpoint
	// label tells it from other targets of the endpoint; empty if there are none.
	label  string
	intent func(sessionlog.SessionID, sessionlog.StepID) console.Intent
	// refused is why it is not asked at all; nil if it is.
	refused error
}

// A result is how one target ended.
type result struct {
	target
	session sessionlog.SessionID // empty if none was opened
	step    sessionlog.StepID
	state   sessionlog.Outcome
	exit    int // -1 if there is none
	why     string
	// relay says that the relay failed, not the endpoint and not the command.
	relay bool
	// cut says that the person may not see any more how it ends.
	cut bool
	// worst is the rank of the worst finding of a check.
	worst int
	// held is what it printed, with --fold; nobody writes to it any more.
	held *folded
}

// run asks every target, prints what they answer, and returns how they ended. A
// finding as bad as failOn is a failure.
func (r *running) run(ctx context.Context, orders []target, failOn check.Severity) error {
	results := r.all(ctx, orders)
	if r.fold {
		r.printFolded(results)
	}
	if err := r.report(results); err != nil {
		return err
	}
	code := exitOf(ctx, results)
	for _, res := range results {
		if bad := failOn.Rank(); code == ExitOK && bad > 0 && res.worst >= bad {
			code = ExitFailed
		}
	}
	if code != ExitOK {
		return exitError(code)
	}
	return nil
}

// all asks every target and returns how each ended.
func (r *running) all(ctx context.Context, orders []target) []result {
	results := make([]result, len(orders))
	var wg sync.WaitGroup
	for i, o := range orders {
		wg.Go(func() { results[i] = r.one(ctx, o, len(orders) > 1) })
	}
	wg.Wait()
	return results
}

// one asks one target.
func (r *running) one(ctx context.Context, o target, prefixed bool) result {
	res := result{target: o, step: sessionlog.NewStepID(), exit: -1}
	if r.fold {
		res.held = new(folded)
	}
	if o.refused != nil {
		return res.failed(ctx, o.refused, false)
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return res.ended(sessionlog.Cancelled, "not asked for any more")
	}
	seq, ok := r.request(ctx, &res)
	<-r.slots
	if !ok {
		return res
	}
	return r.follow(ctx, res, seq, prefixed)
}

// request opens the session and requests the step. If that fails, res says how.
func (r *running) request(ctx context.Context, res *result) (sessionlog.Seq, bool) {
	b := r.call.Backend
	opened, err := b.Do(ctx, console.Open{Endpoint: res.ep.ID})
	if err != nil {
		*res = res.failed(ctx, err, false)
		return 0, false
	}
	res.session = opened.Session
	asked, err := b.Do(ctx, res.intent(res.session, res.step))
	if err != nil {
		if ctx.Err() != nil {
			r.cancelStep(context.WithoutCancel(ctx), *res) // the asking may have come through
		}
		*res = res.failed(ctx, err, true)
		return 0, false
	}
	return asked.Seq, true
}

// cancelStep asks for the end of res's step; an error means it has ended.
func (r *running) cancelStep(ctx context.Context, res result) {
	ctx, cancel := context.WithTimeout(ctx, cancelGrace)
	defer cancel()
	_, _ = r.call.Backend.Do(ctx, console.Cancel{Session: res.session, Step: res.step})
}

// ended returns r with its final state.
func (r result) ended(state sessionlog.Outcome, why string) result {
	r.state, r.why = state, why
	return r
}

// failed returns r ended by an error of the Backend; asked says that the step
// may have been requested nevertheless.
func (r result) failed(ctx context.Context, err error, asked bool) result {
	code, known := errorCode(err)
	switch {
	case ctx.Err() != nil:
		return r.ended(sessionlog.Cancelled, "")
	case code == console.CodeRefused || code == console.CodeUsage:
		return r.ended(sessionlog.Refused, err.Error())
	case code == console.CodeOffline || code == console.CodeNotFound:
		return r.ended(sessionlog.Offline, err.Error())
	}
	r.relay = true
	if asked && !known {
		return r.ended(sessionlog.Lost, err.Error())
	}
	return r.ended(sessionlog.Failed, err.Error())
}
