package verb

import (
	"context"
	"errors"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// An answered is a check of a session, and what it found.
type answered struct {
	ask    check.Ask
	result check.Result
}

// answers returns the checks of a session that can be read, in order.
func (e *env) answers(ctx context.Context, s console.Session) ([]*answered, error) {
	r, err := e.call.Backend.Look(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var all []*answered
	byStep := map[sessionlog.StepID]*answered{}
	for from := sessionlog.Seq(1); ; {
		evs, err := r.Read(ctx, from, 1024)
		if err != nil || len(evs) == 0 {
			return all, err
		}
		for _, ev := range evs {
			if a, err := asks(ev); err == nil {
				byStep[ev.Step] = a
				all = append(all, a)
			}
			if c := ev.Chunk; c != nil && c.Stream == sessionlog.RowStream && byStep[ev.Step] != nil {
				byStep[ev.Step].result.Add(c.Data)
			}
		}
		from = evs[len(evs)-1].Seq + 1
	}
}

var errNoCheck = errors.New("it asks no check")

// asks returns the check that an event asks.
func asks(ev sessionlog.Event) (*answered, error) {
	var req sessionlog.Requested
	if ev.Kind != sessionlog.StepRequested || ev.Decode(&req) != nil || !req.IsCheck() {
		return nil, errNoCheck
	}
	a, err := check.Parse(req.Command)
	return &answered{ask: a}, err
}
