package policy

import (
	"slices"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/caisey/caisey/relay/console"
)

// A Request is what somebody wants to do.
type Request struct {
	Technician string
	Role       console.Role // of the technician, for the endpoint's client
	OnCall     bool         // whether the technician is on call there
	// Effect is "read", "probe", "shell" or "change".
	Effect   string
	Endpoint console.Endpoint
	Command  string
	Targets  int // how many endpoints it was asked for at once
	// Approvers are those who said yes to exactly this.
	Approvers []string
	Now       time.Time
}

// A Verdict is what a Set decides.
type Verdict int

// The verdicts. The zero value refuses.
const (
	Refuse Verdict = iota
	Hold           // until Need people have approved
	Allow
)

// A Decision is a verdict and why.
type Decision struct {
	Verdict Verdict
	// Need is how many people must have approved, where the verdict is Hold.
	Need int
	// Rules names the rules that decided. A refusal without a rule means that no
	// rule permits it.
	Rules []string
}

// Decide says whether a step may run now.
func (s *Set) Decide(r Request) Decision {
	n := approvals(r)
	allowed, rules := s.ask(r, r.Effect, n)
	if allowed {
		return Decision{Verdict: Allow, Rules: rules}
	}
	for need := n + 1; need <= MaxApprovals; need++ {
		if allowed, permits := s.ask(r, r.Effect, need); allowed {
			if len(rules) == 0 {
				rules = permits
			}
			return Decision{Verdict: Hold, Need: need, Rules: rules}
		}
	}
	return Decision{Verdict: Refuse, Rules: rules}
}

// MayApprove says whether somebody, who has role for the endpoint's client and may be
// on call there, may approve r. Nobody may approve their own.
func (s *Set) MayApprove(r Request, technician string, role console.Role, onCall bool) Decision {
	if technician == r.Technician {
		return Decision{Verdict: Refuse, Rules: []string{"nobody approves their own"}}
	}
	n := approvals(r)
	r.Technician, r.Role, r.OnCall = technician, role, onCall
	allowed, rules := s.ask(r, "approve", n)
	if allowed {
		return Decision{Verdict: Allow, Rules: rules}
	}
	return Decision{Verdict: Refuse, Rules: rules}
}

// approvals counts the people who approved r and did not ask for it.
func approvals(r Request) int {
	people := slices.DeleteFunc(slices.Clone(r.Approvers), func(name string) bool { return name == r.Technician || name == "" })
	slices.Sort(people)
	return len(slices.Compact(people))
}

// ask evaluates all rules. An error in any of them refuses: Cedar by itself passes
// over a rule that fails, even one that forbids.
func (s *Set) ask(r Request, action string, approvals int) (allowed bool, rules []string) {
	w := s.world(r)
	decision, diag := cedar.Authorize(s.rules, w, cedar.Request{
		Principal: w.technician.UID, Action: actionID(action), Resource: w.endpoint.UID, Context: about(r, approvals),
	})
	if len(diag.Errors) > 0 {
		for _, e := range diag.Errors {
			rules = append(rules, string(e.PolicyID)+" (failed: "+e.Message+")")
		}
		slices.Sort(rules)
		return false, rules
	}
	for _, reason := range diag.Reasons {
		rules = append(rules, string(reason.PolicyID))
	}
	slices.Sort(rules)
	return decision == cedar.Allow, rules
}

func about(r Request, approvals int) types.Record {
	weekday := int(r.Now.Weekday())
	if weekday == 0 {
		weekday = 7
	}
	return types.NewRecord(types.RecordMap{
		"approvals": types.Long(approvals), "command": types.String(r.Command), "targets": types.Long(max(r.Targets, 1)),
		"now": types.NewDatetime(r.Now), "hour": types.Long(r.Now.Hour()), "weekday": types.Long(weekday),
	})
}
