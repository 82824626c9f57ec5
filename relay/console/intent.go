package console

import (
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// An Intent is something that a console asks for: one of the types below.
type Intent interface{ intent() }

// Open asks for the technician's session on an endpoint: the open one if there
// is one, otherwise a new one. The Receipt names it.
type Open struct {
	Endpoint sessionlog.EndpointID
}

// Run asks for a shell command in a session, as a new step.
type Run struct {
	Session sessionlog.SessionID
	// Step is made by the asker, with sessionlog.NewStepID. Asking again with
	// the same Step is asking once.
	Step    sessionlog.StepID
	Command string
	// Timeout is how long it may run; 0 means for ever.
	Timeout time.Duration
	// Targets is how many endpoints it is asked for at once. If zero, 1.
	Targets int
	// Reason and Undo are for those who may have to approve it: why, and how it can
	// be taken back.
	Reason, Undo string
}

// Ask asks for a check in a session, as a new step.
type Ask struct {
	Session sessionlog.SessionID
	// Step is as in Run.
	Step  sessionlog.StepID
	Check string
	// Args are by parameter; the check's own defaults stand for what is missing.
	Args map[string]string
	// Timeout is how long it may take. If zero, what the check declares.
	Timeout time.Duration
	// Targets, Reason and Undo are as in Run. If Undo is empty, it is what the check
	// declares.
	Targets      int
	Reason, Undo string
}

// Cancel asks for the early end of a step.
type Cancel struct {
	Session sessionlog.SessionID
	Step    sessionlog.StepID
}

// Note adds a remark to a session.
type Note struct {
	Session sessionlog.SessionID
	Text    string
}

// Close seals a session. Steps that still run are cancelled first.
type Close struct {
	Session sessionlog.SessionID
}

func (Open) intent()   {}
func (Run) intent()    {}
func (Ask) intent()    {}
func (Cancel) intent() {}
func (Note) intent()   {}
func (Close) intent()  {}

// A Receipt says that an Intent is on disk.
type Receipt struct {
	// Session is where it is recorded, where that is a session.
	Session sessionlog.SessionID
	// Seq is the event that records it; a Feed from Seq sees it and all after.
	Seq sessionlog.Seq
	// ID names what a NewToken, AddTechnician or OpenIncident made.
	ID string
	// Token is the text of a new enrolment token.
	Token string
}
