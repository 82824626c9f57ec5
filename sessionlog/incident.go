package sessionlog

import "github.com/oklog/ulid/v2"

// An IncidentID names one incident: sessions gathered around one outage. A ULID.
type IncidentID string

// NewIncidentID returns an ID that was never used before.
func NewIncidentID() IncidentID { return IncidentID(ulid.Make().String()) }

// IncidentJoined says that the session belongs to an incident from now on, and to no
// other any more. Its body is Joined.
const IncidentJoined Kind = "incident.joined"

// Joined is the body of IncidentJoined.
type Joined struct {
	Incident IncidentID `json:"incident"`
	Title    string     `json:"title"`
}

// IncidentOf returns the incident that the session belonged to when a step was asked
// for, if it still does.
func (s *State) IncidentOf(st *Step) IncidentID {
	if st.Seq < s.Joined {
		return ""
	}
	return s.Incident.Incident
}

// join folds an IncidentJoined.
func (s *State) join(ev Event) {
	var b Joined
	if ev.Decode(&b) == nil && b.Incident != "" {
		s.Incident, s.Joined = b, ev.Seq
	}
}
