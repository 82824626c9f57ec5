package console

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
