package console

import (
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// OpenIncident opens an incident of a client, and joins it. The Receipt names it.
type OpenIncident struct {
	Title  string
	Client string
}

// JoinIncident has the technician work in an incident: their open sessions on endpoints
// of its client belong to it from now on, and so do those that they open there until it
// is closed, or they join another one of that client.
type JoinIncident struct {
	Incident sessionlog.IncidentID
}

// CloseIncident ends an incident. What belongs to it still does.
type CloseIncident struct {
	Incident sessionlog.IncidentID
}

func (OpenIncident) intent()  {}
func (JoinIncident) intent()  {}
func (CloseIncident) intent() {}

// An Incident is sessions gathered around one outage.
type Incident struct {
	ID     sessionlog.IncidentID `json:"id"`
	Title  string                `json:"title"`
	Client string                `json:"client"`
	Lead   string                `json:"lead"` // who opened it
	Opened time.Time             `json:"opened"`
	Closed time.Time             `json:"closed,omitzero"` // zero while open
	// People are those who joined it, sorted.
	People []string `json:"people"`
}

// SetOnCall puts a lead of a client on call there for a time, or takes that back. A
// policy may ask who is on call: principal.onCall.
type SetOnCall struct {
	Name   string
	Client string
	// For is how long; at most MaxOnCall.
	For time.Duration
	// Off ends it now. Then For means nothing.
	Off bool
}

// MaxOnCall is the longest time for which somebody is put on call at once.
const MaxOnCall = 31 * 24 * time.Hour

func (SetOnCall) intent() {}
