package relay

import (
	"context"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A Link is a connected agent as its transport presents it.
type Link interface {
	// Open begins a conversation about one step. Its error means that the agent
	// heard nothing of it.
	Open(ctx context.Context, call Call) (Conversation, error)
	// Done is closed once the agent is gone.
	Done() <-chan struct{}
	// Close sends the agent away, for the reason given.
	Close(why string)
}

// A Call is what a conversation is about.
type Call struct {
	Step sessionlog.StepID
	// Resume goes on with a step that was started before; Acked says how much
	// of it is recorded. Otherwise the fields below say what to start.
	Resume bool
	Acked  map[sessionlog.Stream]int64

	Session    sessionlog.SessionID
	Technician string
	Command    string
	Timeout    time.Duration // 0 is none
	// OutputLimit is how many bytes of output the agent sends; 0 is all.
	OutputLimit int64
	// Digest is that of the order that the step is: see package statement.
	Digest [32]byte
	Effect sessionlog.Effect
}

// A Conversation is about one step, on a stream of its own. Recv is called by
// one goroutine, the other methods by one other.
type Conversation interface {
	// Recv returns what the agent says next: a Started, Output, Gap, Exit,
	// Refused or Unknown. Its error means that the agent is out of reach or broke the
	// protocol; the step itself may go on.
	Recv() (Report, error)
	// Ack tells the agent that stream is recorded up to offset.
	Ack(stream sessionlog.Stream, offset int64) error
	// Cancel asks the agent to end the command early.
	Cancel() error
	// Done tells the agent that the end of the step is recorded.
	Done() error
	// Close ends the conversation, and a Recv that waits.
	Close()
}

// A Report is what an agent says of a step: one of the types below.
type Report interface{ report() }

// Started says that the process runs.
type Started struct {
	PID  int
	Time time.Time // the agent's clock
}

// Output carries output; Data begins at Offset of Stream.
type Output struct {
	Stream sessionlog.Stream
	Offset int64
	Data   []byte
	Time   time.Time // the agent's clock
}

// Gap says that Bytes of Stream from Offset on are left out.
type Gap struct {
	Stream sessionlog.Stream
	Offset int64
	Bytes  int64
	Time   time.Time // the agent's clock
}

// Exit is the end of a step, after all of its output.
type Exit struct {
	Ended sessionlog.Ended
	Time  time.Time // the agent's clock
}

// Refused says that the agent will not run the step.
type Refused struct{ Why string }

// Unknown says that the agent does not hold the step it was asked to resume.
type Unknown struct{}

func (Started) report() {}
func (Output) report()  {}
func (Gap) report()     {}
func (Exit) report()    {}
func (Refused) report() {}
func (Unknown) report() {}

// An Arrival is an agent that has said hello.
type Arrival struct {
	Endpoint  sessionlog.EndpointID
	Link      Link
	Host      string
	OS, Arch  string
	Version   string
	Transport string // "quic"
	// Effects are what the endpoint's own policy allows, as console.Endpoint has them.
	Effects []string
	// Checks is the sum of the catalogue of checks that it can be asked.
	Checks Sum
	// Steps are those that the agent still holds something of.
	Steps []sessionlog.StepID
}
