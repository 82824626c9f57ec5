package relay

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/policy"
	"github.com/caisey/caisey/sessionlog"
)

// An answer is what somebody says to a step that a gate holds.
type answer struct {
	session sessionlog.SessionID
	step    sessionlog.StepID
	digest  string
	kind    sessionlog.Kind
	why     string
}

// maxWhy is the most bytes of a reason.
const maxWhy = 1 << 10

// answer records an answer and does what follows from it.
func (b *backend) answer(ctx context.Context, a answer) (console.Receipt, error) {
	if len(a.why) > maxWhy || !utf8.ValidString(a.why) {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "", "a reason is at most %d bytes of text", maxWhy)
	}
	if a.kind != sessionlog.ApprovalGranted && strings.TrimSpace(a.why) == "" {
		return console.Receipt{}, console.Errorf(console.CodeUsage, "give one", "that needs a reason")
	}
	_, live, err := b.find(a.session)
	if err != nil {
		return console.Receipt{}, err
	}
	if live == nil {
		return console.Receipt{}, errOver
	}
	var seq sessionlog.Seq
	err = live.call(ctx, func() (err error) {
		seq, err = live.answer(b, a)
		return err
	})
	if err != nil {
		return console.Receipt{}, err
	}
	awaitRepeat(ctx, b.relay.repeat(b.actor(), fleet.Answered{
		Session: a.session, Client: live.info.Client, Step: a.step, Answer: a.kind, Digest: a.digest, Key: b.self.Key, Why: a.why,
	}))
	return console.Receipt{Session: a.session, Seq: seq}, nil
}

// answerable returns the step that an answer is to, if it may still be answered. It is
// called with the turn.
func (s *session) answerable(a answer) (*step, error) {
	st := s.step(a.step)
	if st == nil || st.gate == nil || isDone(st.gate.done) {
		return nil, console.Errorf(console.CodeUsage, "see `approve ls`", "step %s does not wait for an answer", a.step)
	}
	if a.digest != st.gate.hold.Digest {
		return nil, console.Errorf(console.CodeUsage, "look again at what it is", "step %s is not what was shown", a.step)
	}
	if why := s.relay.mayNotGoOn(s); why != "" && a.kind != sessionlog.ApprovalDenied {
		return nil, console.Errorf(console.CodeRefused, "it will end by itself", "the session is over: %s", why)
	}
	if s.relay.expired(st.gate) {
		return nil, console.Errorf(console.CodeUsage, "it has to be asked for again", "step %s has waited too long", a.step)
	}
	return st, nil
}

// answer is called with the turn: what it finds holds until the answer is on disk.
func (s *session) answer(b *backend, a answer) (sessionlog.Seq, error) {
	st, err := s.answerable(a)
	if err != nil {
		return 0, err
	}
	if err := s.mayAnswer(b, st, a); err != nil {
		return 0, err
	}
	evs := []sessionlog.Event{sessionlog.New(a.kind, b.actor(), a.step, sessionlog.Answer{Digest: a.digest, Key: b.self.Key, Why: a.why})}
	granted, decided, open := st.gate.granted, true, false
	switch a.kind {
	case sessionlog.ApprovalDenied:
		s.relay.grants.deny(s.subject(st.req), time.Now())
		evs = append(evs, sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, a.step, sessionlog.Ended{
			State: sessionlog.Refused, Exit: -1, Why: "denied by " + b.self.Name + ": " + a.why,
		}))
	case sessionlog.ApprovalGranted:
		granted = append(slices.Clone(granted), yes{b.self.Name, time.Now()})
		if decided = s.mayGo(st, names(granted)); !decided {
			break
		}
		fallthrough
	case sessionlog.ApprovalOverridden:
		var next sessionlog.Event
		next, open = s.dispatch(a.step)
		evs = append(evs, next)
	}
	head, err := sessionlog.Append(s.relay.ctx, s.rec, evs...)
	if err != nil {
		return 0, err
	}
	switch {
	case a.kind == sessionlog.ApprovalDenied: // as late as the record may have it
		s.relay.grants.deny(s.subject(st.req), time.Now())
	case a.kind == sessionlog.ApprovalGranted && decided:
		s.remember(st, granted)
	}
	st.gate.granted = granted
	if decided {
		st.since = time.Now() // its time limit begins here
		st.gate.decide(open)
	}
	s.relay.gates.change()
	return head.Seq - sessionlog.Seq(len(evs)) + 1, nil
}

// mayAnswer reports why b's person may not give that answer.
func (s *session) mayAnswer(b *backend, st *step, a answer) error {
	if a.kind == sessionlog.ApprovalOverridden {
		if !b.may(console.RoleAdmin, s.info.Client) {
			return b.noAdmin("of " + s.info.Client)
		}
		return s.mayOverride(st)
	}
	// A no may follow a yes.
	if a.kind == sessionlog.ApprovalGranted && slices.Contains(names(st.gate.granted), b.self.Name) {
		return console.Errorf(console.CodeUsage, "", "%s has approved step %s already", b.self.Name, a.step)
	}
	if d := s.mayApprove(st, b.self.Name); d.Verdict != policy.Allow {
		return console.Errorf(console.CodeRefused, "ask somebody else who may", "%s may not approve it: %s", b.self.Name, because(d))
	}
	return nil
}

// mayOverride reports why the policy, as it is now, does not merely hold the step: what
// it refuses outright nobody overrides.
func (s *session) mayOverride(st *step) error {
	approved := names(st.gate.granted)
	d := s.relay.rules().Decide(s.request(st.req, st.targets, s.valid(st.req, st.targets, approved, approved)))
	if d.Verdict == policy.Refuse {
		return console.Errorf(console.CodeRefused, "an override breaks a gate, not a rule that refuses", "nobody may run it now: %s", because(d))
	}
	return nil
}

// mayApprove says whether a technician, as the catalogue has them now, may approve
// the step.
func (s *session) mayApprove(st *step, name string) policy.Decision {
	return s.approver(st.req, st.targets, names(st.gate.granted), name)
}

// approver says whether a technician may approve a step that others have approved.
func (s *session) approver(req sessionlog.Requested, targets int, approved []string, name string) policy.Decision {
	role := s.relay.fleet.RoleFor(name, s.info.Client)
	_, onCall := s.relay.fleet.OnCallUntil(name, s.info.Client)
	return s.relay.rules().MayApprove(s.request(req, targets, approved), name, role, onCall)
}

// valid returns those of granted who may approve the step now: somebody may have been
// disabled meanwhile.
func (s *session) valid(req sessionlog.Requested, targets int, approved, granted []string) []string {
	return slices.DeleteFunc(slices.Clone(granted), func(name string) bool {
		return s.approver(req, targets, approved, name).Verdict != policy.Allow
	})
}

// mayGo reports whether the step may run with these approvals. Only those count that
// are valid now.
func (s *session) mayGo(st *step, granted []string) bool {
	valid := s.valid(st.req, st.targets, names(st.gate.granted), granted)
	return s.relay.rules().Decide(s.request(st.req, st.targets, valid)).Verdict == policy.Allow
}

// dispatch returns what is recorded of a step that may go now, and whether it does:
// where the endpoint is not connected it ends.
func (s *session) dispatch(id sessionlog.StepID) (ev sessionlog.Event, open bool) {
	if link, _ := s.relay.agents.get(s.info.Endpoint); link != nil {
		return sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, id, nil), true
	}
	return sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, id, sessionlog.Ended{
		State: sessionlog.Offline, Exit: -1, Why: "the endpoint was not connected",
	}), false
}
