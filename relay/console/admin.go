package console

import (
	"time"

	"github.com/caisey/caisey/sessionlog"
)

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

// GrantRole changes what a person is for some clients, or everywhere if there are
// none. No role takes away what was granted there.
type GrantRole struct {
	Name    string
	Role    Role
	Clients []string
}

// AddKey lets a person in by one more key. The Receipt has its fingerprint as ID.
type AddKey struct {
	Name string
	// Key is one line in the form of an authorized_keys file.
	Key string
}

// RemoveKey takes a key from a person.
type RemoveKey struct {
	Name  string
	Print string // the key's fingerprint, "SHA256:…"
}

// DisableTechnician lets a person in nowhere from now on: their connections are
// cut, their steps are cancelled and their sessions sealed.
type DisableTechnician struct {
	Name string
	Why  string
}

// EnableTechnician takes DisableTechnician back.
type EnableTechnician struct {
	Name string
}

// LabelEndpoint sets and removes labels of an endpoint.
type LabelEndpoint struct {
	Endpoint sessionlog.EndpointID
	Set      map[string]string
	Remove   []string
}

// RenameEndpoint gives an endpoint another name.
type RenameEndpoint struct {
	Endpoint sessionlog.EndpointID
	Name     string
}

// MoveEndpoint gives an endpoint to another client. Its open sessions are sealed:
// they stay with the client of before.
type MoveEndpoint struct {
	Endpoint sessionlog.EndpointID
	Client   string
}

// RevokeEndpoint puts an endpoint out of the fleet, at once and for good.
type RevokeEndpoint struct {
	Endpoint sessionlog.EndpointID
	Why      string
}

// ClearEndpoint lets an endpoint connect again whose agent's key was found to have a
// second holder.
type ClearEndpoint struct {
	Endpoint sessionlog.EndpointID
}

// RevokeToken ends an enrolment token before its time.
type RevokeToken struct {
	ID string
}

func (NewToken) intent()          {}
func (RevokeToken) intent()       {}
func (AddTechnician) intent()     {}
func (GrantRole) intent()         {}
func (AddKey) intent()            {}
func (RemoveKey) intent()         {}
func (DisableTechnician) intent() {}
func (EnableTechnician) intent()  {}
func (LabelEndpoint) intent()     {}
func (RenameEndpoint) intent()    {}
func (MoveEndpoint) intent()      {}
func (RevokeEndpoint) intent()    {}
func (ClearEndpoint) intent()     {}

// A Technician is a person as an admin's list shows them.
type Technician struct {
	Name string `json:"name"`
	// Grants says what the person is, by client; "*" is everywhere.
	Grants map[string]Role `json:"grants"`
	// Keys are the fingerprints of the person's SSH keys, "SHA256:…".
	Keys     []string `json:"keys"`
	Disabled bool     `json:"disabled"`
	Why      string   `json:"why,omitempty"` // of Disabled
	// OnCall says until when the person is on call, by client.
	OnCall map[string]time.Time `json:"on_call,omitempty"`
}

// A Token is an enrolment token that can still be used, without its secret.
type Token struct {
	ID      string            `json:"id"`
	Client  string            `json:"client"`
	Labels  map[string]string `json:"labels,omitempty"`
	Uses    int               `json:"uses"`
	Used    int               `json:"used"`
	Expires time.Time         `json:"expires"`
	By      string            `json:"by"`
}
