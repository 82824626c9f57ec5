package console

import (
	"context"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// Approve says yes to a step that a gate holds.
type Approve struct {
	Session sessionlog.SessionID
	Step    sessionlog.StepID
	// Digest is what was shown: a step with another digest is not approved.
	Digest string
}

// Deny says no to a step that a gate holds. The step is refused.
type Deny struct {
	Session sessionlog.SessionID
	Step    sessionlog.StepID
	Digest  string
	Why     string
}

// Override runs a step that a gate holds without the approvals that it needs: an
// admin breaks the glass, with a reason, and everybody gets to know.
type Override struct {
	Session sessionlog.SessionID
	Step    sessionlog.StepID
	Digest  string
	Why     string
}

// ApplyPolicy changes the policy for everybody and everything.
type ApplyPolicy struct {
	Text string
	// Check only says whether it could be applied.
	Check bool
}

func (Approve) intent()     {}
func (Deny) intent()        {}
func (Override) intent()    {}
func (ApplyPolicy) intent() {}

// A Policy is the text of rules by which the relay decides.
type Policy struct {
	Text string `json:"text"`
	// By and At say who applied it and when; empty where it is the default.
	By string    `json:"by,omitempty"`
	At time.Time `json:"at,omitzero"`
}

// An Approval is a step that a gate holds, as those who may answer it see it.
type Approval struct {
	Session  sessionlog.SessionID  `json:"session"`
	Step     sessionlog.StepID     `json:"step"`
	Client   string                `json:"client"`
	Endpoint sessionlog.EndpointID `json:"endpoint"`
	Name     string                `json:"name"` // of the endpoint
	By       string                `json:"by"`   // who asked
	Command  string                `json:"command"`
	Effect   sessionlog.Effect     `json:"effect"`
	// Timeout is in seconds; 0 means none.
	Timeout float64  `json:"timeout"`
	Reason  string   `json:"reason,omitempty"`
	Undo    string   `json:"undo,omitempty"`
	Digest  string   `json:"digest"`
	Need    int      `json:"need"`
	Granted []string `json:"granted,omitempty"` // who approved so far
	Rules   []string `json:"rules"`
	// Asked and Expires bound the time in which it can be answered.
	Asked   time.Time `json:"asked"`
	Expires time.Time `json:"expires"`
	// Mine says that the person asked for it; May, that they may approve it now.
	Mine bool `json:"mine"`
	May  bool `json:"may"`
}

// Path returns "client/name" of the approval's endpoint.
func (a Approval) Path() string { return a.Client + "/" + a.Name }

// An Inbox hands out what waits for an answer, whole, and again whenever it changed.
// It is used by one goroutine at a time.
type Inbox interface {
	// Next returns at once at the first call, and then waits for a change. The
	// oldest come first.
	Next(ctx context.Context) ([]Approval, error)
	// Close releases the inbox; a Next that waits returns an error.
	Close() error
}
