package console

import (
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A TextQuery says what to find in records. Zero fields do not narrow.
type TextQuery struct {
	// Text is one line, found as typed but for upper case; its last word may be
	// only begun.
	Text   string
	Client string
	By     string // technician
	// Incident leaves out records of sessions that do not belong to it. It is a whole
	// ID.
	Incident sessionlog.IncidentID
	// Since and Until bound the time of the event.
	Since, Until time.Time
	// Limit is the most hits to return. If zero, 100.
	Limit int
}

// A Hit is a place in a record where the text of a TextQuery stands.
type Hit struct {
	Session sessionlog.SessionID `json:"session"`
	Client  string               `json:"client"`
	Name    string               `json:"name"` // of the endpoint
	By      string               `json:"by"`
	Step    sessionlog.StepID    `json:"step,omitempty"`
	Seq     sessionlog.Seq       `json:"seq"`
	Time    time.Time            `json:"time"`
	Kind    sessionlog.Kind      `json:"kind"`
	Stream  string               `json:"stream,omitempty"`
	// Line is what is around the match, raw; Line[Begin:End] is the match.
	Line  string `json:"line"`
	Begin int    `json:"begin"`
	End   int    `json:"end"`
}

// Path returns "client/name" of the hit's endpoint.
func (h Hit) Path() string { return h.Client + "/" + h.Name }

// Found is the answer to a TextQuery.
type Found struct {
	// Hits are the newest first, at most one for each stream of a step.
	Hits []Hit
	// More says that there may be others.
	More bool
	// Behind is how many records the index has not read to their end yet.
	Behind int
}
