package sessionlog

import "time"

// The kinds of events about a step that a gate holds. Beside each stands the type
// of its body.
const (
	ApprovalRequested  Kind = "approval.requested"  // Hold
	ApprovalGranted    Kind = "approval.granted"    // Answer
	ApprovalDenied     Kind = "approval.denied"     // Answer
	ApprovalOverridden Kind = "approval.overridden" // Answer: an admin broke the glass
	ApprovalExpired    Kind = "approval.expired"    // no body
	ApprovalReused     Kind = "approval.reused"     // Reused: what was approved before counts again
	ApprovalWaived     Kind = "approval.waived"     // Waived: no gate, as the asker is on call
)

// Hold is the body of ApprovalRequested: the step waits until enough people have
// approved exactly what Digest stands for.
type Hold struct {
	// Digest is that of the statement.Order, in hex.
	Digest string `json:"digest"`
	// Need is how many people other than the asker must approve.
	Need int `json:"need"`
	// Rules names the rules of the policy that hold the step.
	Rules   []string  `json:"rules"`
	Expires time.Time `json:"expires"`
	// Targets is how many endpoints it was asked for at once, where that was told: a
	// rule may ask.
	Targets int `json:"targets,omitempty"`
}

// Answer is the body of ApprovalGranted, ApprovalDenied and ApprovalOverridden. The
// event's actor is whose answer it is.
type Answer struct {
	// Digest is what was answered: an approval of another digest is none.
	Digest string `json:"digest"`
	// Key is the fingerprint of the SSH key of whoever answered.
	Key string `json:"key,omitempty"`
	// Why is required where the answer is no, or breaks the glass.
	Why string `json:"why,omitempty"`
}

// Reused is the body of ApprovalReused: an earlier step of the same incident, with the
// same asker, endpoint, command, effect and time limit, was approved, and that counts
// for this one, too.
type Reused struct {
	// Digest is that of the order that is approved by it.
	Digest string `json:"digest"`
	// Of is the step for which the approvals were given, and By who gave them.
	Of StepID   `json:"of"`
	By []string `json:"by"`
}

// Waived is the body of ApprovalWaived: the step would have been held, or refused, if
// its asker were not on call.
type Waived struct {
	// Rules names the rules of the policy that hold it for everybody else.
	Rules []string `json:"rules"`
	Why   string   `json:"why"`
}

// A Held is what is known of the gate before a step.
type Held struct {
	Hold
	Since time.Time
	// Granted are the actors who approved, in the order in which they did.
	Granted []Actor
	// At says when each of Granted did.
	At []time.Time
	// Of is the step whose approvals counted again, if they did.
	Of StepID
	// Over says that it holds no longer: denied, expired or overridden.
	Over Kind
}

// hold folds an event about the gate.
func (st *Step) hold(ev Event) {
	if ev.Kind == ApprovalRequested {
		var b Hold
		if st.Held == nil && ev.Decode(&b) == nil {
			st.Held = &Held{Hold: b, Since: ev.Time}
		}
		return
	}
	if st.Held == nil {
		return
	}
	if ev.Kind == ApprovalReused {
		st.reuse(ev)
		return
	}
	var b Answer
	switch {
	case ev.Kind == ApprovalExpired:
		st.Held.Over = ev.Kind
	case ev.Decode(&b) != nil || b.Digest != st.Held.Digest:
	case ev.Kind == ApprovalGranted:
		st.Held.Granted, st.Held.At = append(st.Held.Granted, ev.Actor), append(st.Held.At, ev.Time)
	default:
		st.Held.Over = ev.Kind
	}
}

// reuse folds an ApprovalReused.
func (st *Step) reuse(ev Event) {
	var b Reused
	if ev.Decode(&b) != nil || b.Digest != st.Held.Digest {
		return
	}
	st.Held.Of = b.Of
	for _, name := range b.By {
		st.Held.Granted, st.Held.At = append(st.Held.Granted, Technician(name)), append(st.Held.At, ev.Time)
	}
}
