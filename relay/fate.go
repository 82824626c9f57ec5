package relay

import (
	"fmt"
	"time"

	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
)

// A fate is what becomes of a step that is asked for.
type fate struct {
	events []sessionlog.Event // after the request, in one unit with it
	goes   bool               // it has a driver: it was dispatched, or waits
	gate   *gate              // that holds it; nil if none does
	// repeat, if it is of some kind, is what the fleet's log is told once that is on
	// disk: nobody was asked, though there is a gate.
	repeat fleet.Answered
}

// decide says what becomes of a step. It is called with the turn.
func (s *session) decide(id sessionlog.StepID, req sessionlog.Requested, targets int) fate {
	next, goes := s.dispatch(id)
	asked := s.request(req, targets, nil)
	d := s.relay.rules().Decide(asked)
	switch {
	case d.Verdict == policy.Refuse:
		return fate{events: []sessionlog.Event{sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, id, sessionlog.Ended{State: sessionlog.Refused, Exit: -1, Why: because(d)})}}
	case !goes: // the endpoint is not connected
		return fate{events: []sessionlog.Event{next}}
	case d.Verdict == policy.Hold:
		return s.hold(id, req, targets, d, next)
	}
	f := fate{events: []sessionlog.Event{next}, goes: true}
	if asked.OnCall {
		s.waive(&f, id, req, asked)
	}
	return f
}

// hold holds a step, unless what was approved before lets it go.
func (s *session) hold(id sessionlog.StepID, req sessionlog.Requested, targets int, d policy.Decision, dispatched sessionlog.Event) fate {
	hold := s.held(id, req, targets, d)
	f := fate{events: []sessionlog.Event{sessionlog.New(sessionlog.ApprovalRequested, sessionlog.Relay, id, hold)}, goes: true}
	re, ok := s.reuse(req, targets, hold)
	if !ok {
		f.gate = newGate(hold, time.Now().UTC(), s.inIncident())
		return f
	}
	f.events = append(f.events, sessionlog.New(sessionlog.ApprovalReused, sessionlog.Relay, id, re), dispatched)
	f.repeat = fleet.Answered{Answer: sessionlog.ApprovalReused, Step: id, Digest: re.Digest, Of: re.Of, By: re.By}
	return f
}

// waive records, before the step goes, that it goes only because its asker is on call.
func (s *session) waive(f *fate, id sessionlog.StepID, req sessionlog.Requested, asked policy.Request) {
	asked.OnCall = false
	d := s.relay.rules().Decide(asked)
	if d.Verdict == policy.Allow {
		return
	}
	until, _ := s.relay.fleet.OnCallUntil(s.info.Technician, s.info.Client)
	w := sessionlog.Waived{
		Rules: append([]string{}, d.Rules...),
		Why:   fmt.Sprintf("%s is on call for %s until %s", s.info.Technician, s.info.Client, until.UTC().Format(time.RFC3339)),
	}
	f.events = append([]sessionlog.Event{sessionlog.New(sessionlog.ApprovalWaived, sessionlog.Relay, id, w)}, f.events...)
	f.repeat = fleet.Answered{Answer: sessionlog.ApprovalWaived, Step: id, Digest: s.digest(id, req), Rules: w.Rules, Why: w.Why}
}

// requestOf returns a promise as if a request with after events in its unit had one,
// and has the fleet's log told once the unit is on disk. So all who ask where the
// request stands find it before the promise's head.
func (s *session) requestOf(unit *sessionlog.Commit, after int, body fleet.Answered) *sessionlog.Commit {
	asked := sessionlog.NewCommit()
	s.drivers.Go(func() {
		head, err := unit.Wait(s.relay.ctx)
		body.Session, body.Client = s.info.Session, s.info.Client
		by := sessionlog.Technician(s.info.Technician)
		switch {
		case err == nil:
			head.Seq -= sessionlog.Seq(after - 1)
			s.relay.repeat(by, body)
		case s.relay.ctx.Err() != nil: // it may be recorded all the same
			s.relay.notRepeated(repeat{by, body, make(chan struct{})}, err)
		}
		asked.Resolve(head, err)
	})
	return asked
}
