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

// A Held is what is known of the gate before a step.
type Held struct {
	Hold
	Since time.Time
	// Granted are the actors who approved, in the order in which they did.
	Granted []Actor
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
	var b Answer
	switch {
	case ev.Kind == ApprovalExpired:
		st.Held.Over = ev.Kind
	case ev.Decode(&b) != nil || b.Digest != st.Held.Digest:
	case ev.Kind == ApprovalGranted:
		st.Held.Granted = append(st.Held.Granted, ev.Actor)
	default:
		st.Held.Over = ev.Kind
	}
}
