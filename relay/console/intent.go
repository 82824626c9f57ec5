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

// NewToken asks for an enrolment token. The Receipt has the token's text, which
// is nowhere else.
type NewToken struct {
	Client string
	Labels map[string]string
	// Uses is how many endpoints it enrols. If zero, 1.
	Uses int
	// TTL is how long it can be redeemed. If zero, one hour.
	TTL time.Duration
}

// AddTechnician asks that a person be let in.
type AddTechnician struct {
	Name string
	Role Role
	// Clients is where the role holds; empty means everywhere.
	Clients []string
	// Key is one line in the form of an authorized_keys file.
	Key string
}

func (Open) intent()          {}
func (Run) intent()           {}
func (Cancel) intent()        {}
func (Note) intent()          {}
func (Close) intent()         {}
func (NewToken) intent()      {}
func (AddTechnician) intent() {}

// A Receipt says that an Intent is on disk.
type Receipt struct {
	// Session is where it is recorded, where that is a session.
	Session sessionlog.SessionID
	// Seq is the event that records it; a Feed from Seq sees it and all after.
	Seq sessionlog.Seq
	// ID names what a NewToken or AddTechnician made.
	ID string
	// Token is the text of a new enrolment token.
	Token string
}

// Role is what a technician may do for a client. Each role includes the ones
// before it.
type Role string

// The roles.
const (
	RoleViewer     Role = "viewer"     // watches and replays
	RoleTechnician Role = "technician" // runs steps
	RoleLead       Role = "lead"       // decides for others
	RoleAdmin      Role = "admin"      // enrols endpoints and lets people in
)

var roleRank = map[Role]int{RoleViewer: 1, RoleTechnician: 2, RoleLead: 3, RoleAdmin: 4}

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return roleRank[r] > 0 }

// Covers reports whether r may do what want may do.
func (r Role) Covers(want Role) bool {
	return r.Valid() && want.Valid() && roleRank[r] >= roleRank[want]
}
