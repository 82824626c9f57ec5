package fleet

import (
	"context"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// The kinds of events about people. Beside each stands the type of its body.
const (
	TechnicianAdded    sessionlog.Kind = "technician.added"    // Added
	TechnicianGranted  sessionlog.Kind = "technician.granted"  // Granted
	TechnicianDisabled sessionlog.Kind = "technician.disabled" // Disabled
	TechnicianEnabled  sessionlog.Kind = "technician.enabled"  // Disabled, without why
	KeyAdded           sessionlog.Kind = "key.added"           // Key
	KeyRemoved         sessionlog.Kind = "key.removed"         // Key, without the line
)

// Added is the body of TechnicianAdded.
type Added struct {
	Name    string       `json:"name"`
	Role    console.Role `json:"role"`
	Clients []string     `json:"clients,omitempty"`
	Key     string       `json:"key"`         // as in authorized_keys
	Print   string       `json:"fingerprint"` // of the key, "SHA256:…"
}

// Granted is the body of TechnicianGranted: what the person is from now on for
// these clients, or everywhere if there are none. No role is none.
type Granted struct {
	Name    string       `json:"name"`
	Role    console.Role `json:"role,omitempty"`
	Clients []string     `json:"clients,omitempty"`
}

// Disabled is the body of TechnicianDisabled and TechnicianEnabled.
type Disabled struct {
	Name string `json:"name"`
	Why  string `json:"why,omitempty"`
}

// Key is the body of KeyAdded and KeyRemoved.
type Key struct {
	Name  string `json:"name"`          // of the technician
	Line  string `json:"key,omitempty"` // as in authorized_keys
	Print string `json:"fingerprint"`   // "SHA256:…"
}

// Everywhere is the client of a grant that holds for every client.
const Everywhere = ""

// A Technician is a person who may log in.
type Technician struct {
	Name string
	// Grants says what the person is, by client or Everywhere.
	Grants map[string]console.Role
	Keys   []Key
	// Disabled says that the person is let in nowhere, and Why.
	Disabled bool
	Why      string
}

// RoleFor returns what the technician is for client: the higher of what was
// granted there and everywhere. "" means nothing.
func (t Technician) RoleFor(client string) console.Role {
	if t.Disabled {
		return ""
	}
	role := t.Grants[client]
	if all := t.Grants[Everywhere]; role == "" || all.Covers(role) {
		role = all
	}
	return role
}

// copy returns a Technician that shares nothing, and whether there is one.
func (t *Technician) copy() (Technician, bool) {
	if t == nil {
		return Technician{}, false
	}
	return t.clone(), true
}

func (t Technician) clone() Technician {
	t.Grants, t.Keys = maps.Clone(t.Grants), slices.Clone(t.Keys)
	return t
}

// AddTechnician lets a person in. by is who asked.
func (c *Catalogue) AddTechnician(ctx context.Context, by sessionlog.Actor, in console.AddTechnician) error {
	body := Added{Name: in.Name, Role: in.Role, Clients: slices.Clone(in.Clients)}
	if err := CheckName("a technician", in.Name); err != nil {
		return err
	}
	if !in.Role.Valid() {
		return noRole(in.Role)
	}
	if err := checkClients(in.Clients); err != nil {
		return err
	}
	var err error
	if body.Key, body.Print, err = parseKey(in.Key); err != nil {
		return err
	}
	_, err = c.change(ctx, func() (sessionlog.Event, error) {
		if err := c.personFree(body); err != nil {
			return sessionlog.Event{}, err
		}
		return sessionlog.New(TechnicianAdded, by, "", body), nil
	})
	return err
}

func noRole(r console.Role) *console.Error {
	return console.Errorf(console.CodeUsage, "the roles are viewer, technician, lead and admin", "%q is not a role", r)
}

func checkClients(clients []string) error {
	for _, client := range clients {
		if err := checkClient(client); err != nil {
			return err
		}
	}
	return nil
}

// parseKey reads a line in the form of authorized_keys. Only Ed25519 keys, in a
// file or on a security key, let anybody in.
func parseKey(line string) (key, print string, err error) {
	const hint = "give the line of an .pub file, as made by `ssh-keygen -t ed25519`"
	pub, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err == nil && len(options) > 0 {
		return "", "", console.Errorf(console.CodeUsage, "give the key alone", "options such as %.40q would not be kept to", options[0])
	}
	if err != nil {
		return "", "", console.Errorf(console.CodeUsage, hint, "%.40q is not an SSH public key", strings.TrimSpace(line))
	}
	if t := pub.Type(); t != ssh.KeyAlgoED25519 && t != ssh.KeyAlgoSKED25519 {
		return "", "", console.Errorf(console.CodeUsage, hint, "keys of type %s are not accepted", t)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))), ssh.FingerprintSHA256(pub), nil
}

func (c *Catalogue) personFree(b Added) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.keyFree(b.Print); err != nil {
		return err
	}
	if c.technicians[b.Name] != nil {
		return console.Errorf(console.CodeUsage, "choose another name", "technician %s is there already", b.Name)
	}
	return nil
}

// keyFree reports that a key is somebody's already, but not whose: the asker may
// not administer that person. c.mu is held.
func (c *Catalogue) keyFree(print string) error {
	if c.byPrint[print] != nil {
		return console.Errorf(console.CodeUsage, "give another one", "that key is a technician's already")
	}
	return nil
}

func (c *Catalogue) applyTechnician(ev sessionlog.Event) error {
	var b Added
	if err := ev.Decode(&b); err != nil {
		return err
	}
	t := &Technician{Name: b.Name, Grants: map[string]console.Role{}, Keys: []Key{{Name: b.Name, Line: b.Key, Print: b.Print}}}
	t.grant(b.Role, b.Clients)
	c.technicians[t.Name], c.byPrint[b.Print] = t, t
	delete(c.takenKeys, b.Print)
	return nil
}

// grant makes role hold for clients, or everywhere if there are none.
func (t *Technician) grant(role console.Role, clients []string) {
	if len(clients) == 0 {
		clients = []string{Everywhere}
	}
	for _, client := range clients {
		if role == "" {
			delete(t.Grants, client)
		} else {
			t.Grants[client] = role
		}
	}
}
