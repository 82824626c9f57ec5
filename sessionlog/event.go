package sessionlog

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Seq numbers the events of one session. The first is 1; 0 means none.
type Seq uint64

// Kind says what an event reports. A reader passes over kinds it does not know.
type Kind string

// The kinds of a session's events. Beside each stands the type of its Body.
const (
	SessionOpened  Kind = "session.opened"  // Opened
	SessionClosed  Kind = "session.closed"  // Closed
	StepRequested  Kind = "step.requested"  // Requested
	StepDispatched Kind = "step.dispatched" // no body
	StepStarted    Kind = "step.started"    // Started
	StepOutput     Kind = "step.output"     // Event.Chunk
	StepGap        Kind = "step.gap"        // Gap; output that was left out, and how much
	StepCancel     Kind = "step.cancel"     // no body; somebody asked for an early end
	StepEnded      Kind = "step.ended"      // Ended
	NoteAdded      Kind = "note.added"      // Note
)

// Actor says who did what an event reports: "technician:ana",
// "agent:acme/db01" or "relay".
type Actor string

// Relay is the actor of what the relay itself decided.
const Relay Actor = "relay"

// Technician returns the actor for the technician of that name.
func Technician(name string) Actor { return Actor("technician:" + name) }

// Agent returns the actor for the agent of endpoint name, "client/endpoint".
func Agent(name string) Actor { return Actor("agent:" + name) }

// Name returns the actor without the word for what it is.
func (a Actor) Name() string {
	if _, name, ok := strings.Cut(string(a), ":"); ok {
		return name
	}
	return string(a)
}

// Stream is one of a step's outputs.
type Stream uint8

// The streams of a step.
const (
	Stdout Stream = 1
	Stderr Stream = 2
	// RowStream carries what a check found, as lines of package check. Each chunk of
	// it is one or more whole lines.
	RowStream Stream = 3
)

// Valid reports whether s is one of the streams.
func (s Stream) Valid() bool { return s >= Stdout && s <= RowStream }

// String returns "stdout", "stderr" or "rows".
func (s Stream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	case RowStream:
		return "rows"
	}
	return fmt.Sprintf("stream%d", uint8(s))
}

// ParseStream is the inverse of Stream.String for the known streams.
func ParseStream(s string) (Stream, error) {
	switch s {
	case "stdout":
		return Stdout, nil
	case "stderr":
		return Stderr, nil
	case "rows":
		return RowStream, nil
	}
	return 0, fmt.Errorf("stream %q is not stdout, stderr or rows", s)
}

// A Chunk is a piece of a step's output: Data begins Offset bytes after the
// start of Stream. A record holds every byte of a stream once and in order.
type Chunk struct {
	Stream Stream
	Offset int64
	Data   []byte
	// Salt hides the data behind its commitment in the leaf. A Log fills it
	// when it appends; readers get it back so that they can verify.
	Salt []byte
}

// An Event is one thing that happened in a session. Events are values: once
// appended they never change, and readers must not write to Body or Chunk.Data.
type Event struct {
	// Seq is given by the Log that appends the event.
	Seq Seq
	// Time is the relay's clock. If zero, the Log sets it when it appends.
	Time time.Time
	// AgentTime is the endpoint's clock, where the agent reported the event.
	AgentTime time.Time
	Kind      Kind
	Actor     Actor
	// Step is set on all step.* kinds.
	Step StepID
	// Body is the JSON of the kind's type; nil where the kind has none.
	Body json.RawMessage
	// Chunk is set on StepOutput and on no other kind.
	Chunk *Chunk
}

// New returns an event of a kind with body, which must marshal to JSON; a nil
// body leaves Body empty.
func New(kind Kind, actor Actor, step StepID, body any) Event {
	ev := Event{Kind: kind, Actor: actor, Step: step}
	if body != nil {
		b, err := marshal(body)
		if err != nil {
			panic(fmt.Sprintf("sessionlog: body of %s: %v", kind, err)) // our own types always marshal
		}
		ev.Body = b
	}
	return ev
}

// NewOutput returns a StepOutput event for chunk.
func NewOutput(actor Actor, step StepID, chunk Chunk) Event {
	return Event{Kind: StepOutput, Actor: actor, Step: step, Chunk: &chunk}
}

// Decode unmarshals the body into v, a pointer to the kind's type.
func (ev Event) Decode(v any) error {
	if err := json.Unmarshal(ev.Body, v); err != nil {
		return fmt.Errorf("decode %s at %d: %w", ev.Kind, ev.Seq, err)
	}
	return nil
}
