package fleet

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// TechnicianAdded lets a person in. Its
// body is Added.
const TechnicianAdded sessionlog.Kind = "technician.added"

// Added is the body of TechnicianAdded.
type Added struct {
	Name    string       `json:"name"`
	Role    console.Role `json:"role"`
	Clients []string     `json:"clients,omitempty"`
	Key     string       `json:"key"`         // as in authorized_keys
	Print   string       `json:"fingerprint"` // of the key, "SHA256:…"
}

// AddTechnician lets a person in. by is who asked.
func (c *Catalogue) AddTechnician(ctx context.Context, by sessionlog.Actor, in console.AddTechnician) error {
	body := Added{Name: in.Name, Role: in.Role, Clients: slices.Clone(in.Clients)}
	if err := CheckName("a technician", in.Name); err != nil {
		return err
	}
	if !in.Role.Valid() {
		return console.Errorf(console.CodeUsage, "the roles are viewer, technician, lead and admin", "%q is not a role", in.Role)
	}
	for _, client := range in.Clients {
		if err := checkClient(client); err != nil {
			return err
		}
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

// parseKey reads a line in the form of authorized_keys. Only Ed25519 keys, in a
// file or on a security key, let anybody in.
func parseKey(line string) (key, print string, err error) {
	const hint = "give the line of an .pub file, as made by `ssh-keygen -t ed25519`"
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
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
	if t := c.byPrint[b.Print]; t != nil {
		return console.Errorf(console.CodeUsage, "", "that key belongs to technician %s", t.Name)
	}
	if c.technicians[b.Name] != nil {
		return console.Errorf(console.CodeUsage, "choose another name", "technician %s is there already", b.Name)
	}
	return nil
}

func (c *Catalogue) applyTechnician(ev sessionlog.Event) error {
	var b Added
	if err := ev.Decode(&b); err != nil {
		return err
	}
	t := &Technician{Name: b.Name, Role: b.Role, Clients: b.Clients, Keys: []string{b.Key}}
	c.technicians[t.Name], c.byPrint[b.Print] = t, t
	return nil
}
