package tui

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// waiting is what waits for an answer in a world.
type waiting struct {
	mu   sync.Mutex // guards what follows
	list []console.Approval
	lost error         // what the inboxes say, if not nil
	grew chan struct{} // closed and replaced at every change
}

func (w *world) Inbox(context.Context) (console.Inbox, error) {
	w.waiting.mu.Lock()
	defer w.waiting.mu.Unlock()
	if err := w.waiting.lost; err != nil {
		return nil, err
	}
	return &worldInbox{w: &w.waiting}, nil
}

type worldInbox struct {
	w    *waiting
	gate chan struct{} // nil before the first Next
}

func (in *worldInbox) Next(ctx context.Context) ([]console.Approval, error) {
	if in.gate != nil {
		select {
		case <-in.gate:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	in.w.mu.Lock()
	defer in.w.mu.Unlock()
	in.gate = in.w.grew
	return slices.Clone(in.w.list), in.w.lost
}

func (in *worldInbox) Close() error { return nil }

// hold changes what waits.
func (w *world) hold(fn func(list []console.Approval) []console.Approval) {
	w.waiting.mu.Lock()
	defer w.waiting.mu.Unlock()
	w.waiting.list = fn(w.waiting.list)
	close(w.waiting.grew)
	w.waiting.grew = make(chan struct{})
}

// asks has somebody ask for a command that waits.
func (w *world) asks(i int, by, command string, fn ...func(*console.Approval)) console.Approval {
	ep := w.eps[i]
	a := console.Approval{
		Session: sessionlog.NewSessionID(), Step: sessionlog.NewStepID(), Client: ep.Client, Endpoint: ep.ID, Name: ep.Name, By: by,
		Command: command, Effect: sessionlog.EffectShell, Timeout: 60, Digest: "9f2c" + command[:min(4, len(command))], Need: 1,
		Rules: []string{"db-needs-a-lead"}, Asked: noon, Expires: noon.Add(10 * time.Minute), May: true,
	}
	for _, f := range fn {
		f(&a)
	}
	w.hold(func(list []console.Approval) []console.Approval { return append(list, a) })
	return a
}

// withdraw takes away what waits as a step.
func (w *world) withdraw(id sessionlog.StepID) {
	w.hold(func(list []console.Approval) []console.Approval {
		return slices.DeleteFunc(list, func(a console.Approval) bool { return a.Step == id })
	})
}

// answered takes an answer as a relay does.
func (w *world) answered(in console.Intent) error {
	var id sessionlog.StepID
	var digest string
	switch in := in.(type) {
	case console.Approve:
		id, digest = in.Step, in.Digest
	case console.Deny:
		id, digest = in.Step, in.Digest
	case console.Override:
		id, digest = in.Step, in.Digest
	}
	w.waiting.mu.Lock()
	i := slices.IndexFunc(w.waiting.list, func(a console.Approval) bool { return a.Step == id })
	ok := i >= 0 && w.waiting.list[i].Digest == digest
	w.waiting.mu.Unlock()
	if !ok {
		return console.Errorf(console.CodeUsage, "look again at what it is", "step %s is not what was shown", id)
	}
	w.withdraw(id)
	return nil
}

// answers returns the answers that were given.
func (w *world) answers() []console.Intent {
	return slices.DeleteFunc(w.intents(), func(in console.Intent) bool {
		switch in.(type) {
		case console.Approve, console.Deny, console.Override:
			return false
		}
		return true
	})
}
