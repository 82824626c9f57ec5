package sessionlog

import "time"

// Opened is the body of SessionOpened, the first event of every session.
type Opened struct {
	Session    SessionID  `json:"session"`
	Client     string     `json:"client"`
	Endpoint   EndpointID `json:"endpoint"`
	Name       string     `json:"name"` // the endpoint's name within its client
	Technician string     `json:"technician"`
	Key        string     `json:"key,omitempty"` // fingerprint of the proved SSH key, "SHA256:…"
	// AgentKey is the endpoint's Ed25519 public key in hex, which signs what the
	// endpoint states at the end of each step.
	AgentKey string `json:"agent_key,omitempty"`
	// RelayKey signs the record's checkpoints: a verifier key of a C2SP signed
	// note, NAME+HASH+KEY. A record proves nothing about whose key that is.
	RelayKey string `json:"relay_key,omitempty"`
}

// Closed is the body of SessionClosed, the last event of a sealed session.
type Closed struct {
	Why string `json:"why,omitempty"`
}

// Effect says what a step may do to its endpoint.
type Effect string

// The effects, from harmless to not.
const (
	EffectRead   Effect = "read"
	EffectProbe  Effect = "probe"  // sends traffic, changes nothing
	EffectShell  Effect = "shell"  // unknown: a command line
	EffectChange Effect = "change" // changes the endpoint
)

// Requested is the body of StepRequested.
type Requested struct {
	// Command is the line given to the endpoint's shell, byte for byte; or, where the
	// effect is another than EffectShell, the line that asks a check (package check).
	Command string `json:"command"`
	Effect  Effect `json:"effect"`
	// Timeout is in seconds; 0 means none.
	Timeout float64 `json:"timeout"`
	// Key is the fingerprint of the SSH key of whoever asked.
	Key string `json:"key,omitempty"`
	// Reason and Undo are what the asker says: why it is to run, and how it can be
	// taken back.
	Reason string `json:"reason,omitempty"`
	Undo   string `json:"undo,omitempty"`
}

// IsCheck reports whether the step asks a check. Otherwise it runs a command.
func (r Requested) IsCheck() bool {
	return r.Effect == EffectRead || r.Effect == EffectProbe || r.Effect == EffectChange
}

// Started is the body of StepStarted.
type Started struct {
	PID int `json:"pid"`
}

// Gap is the body of StepGap: Bytes of Stream from Offset on were sent by the
// command and are not in the record. What follows begins at Offset + Bytes.
type Gap struct {
	Stream string `json:"stream"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	// Why is one line for people.
	Why string `json:"why,omitempty"`
}

// Outcome is the final state of a step. Every step ends in exactly one.
type Outcome string

// The outcomes.
const (
	OK        Outcome = "ok"        // ran, exit code 0
	Failed    Outcome = "failed"    // ran, other exit code or a signal, or could not be started
	TimedOut  Outcome = "timed out" // killed at its time limit
	Cancelled Outcome = "cancelled" // killed because somebody asked
	Refused   Outcome = "refused"   // never ran: the relay or the agent would not
	Offline   Outcome = "offline"   // never ran: the endpoint was not connected
	Lost      Outcome = "lost"      // may or may not have run to its end
)

// Ended is the body of StepEnded.
type Ended struct {
	State Outcome `json:"state"`
	// Exit is the command's exit code; -1 if it has none.
	Exit int `json:"exit"`
	// Signal names the signal that ended the command, if one did.
	Signal string `json:"signal,omitempty"`
	// Why is one line for people where State alone does not say enough.
	Why string `json:"why,omitempty"`
	// Duration is in seconds, by the agent's monotonic clock.
	Duration float64 `json:"duration,omitempty"`
	// Streams holds what the agent says it sent, for each stream that had output,
	// with what was left out in gaps.
	Streams []StreamTotal `json:"streams,omitempty"`
	// Statement is the endpoint's signature, in hex, over what it states of the
	// step: see package statement. Empty where the agent did not say how it ended.
	Statement string `json:"statement,omitempty"`
}

// StreamTotal is the length and hash of all of one stream's output.
type StreamTotal struct {
	Stream string `json:"stream"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hex
}

// Note is the body of NoteAdded.
type Note struct {
	Text string `json:"text"`
	// At is when the note is about, if not when it was written.
	At time.Time `json:"at,omitzero"`
}
