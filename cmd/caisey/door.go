package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/sshd"
)

// A doorkeeper tells the SSH door who may come in.
type doorkeeper struct{ s *server }

// technician returns whose a credential is. A certificate names its technician,
// who has to be in the catalogue like everybody else; one for a key that is
// another's is nobody's.
func (d doorkeeper) technician(c sshd.Credential) (fleet.Technician, bool) {
	if d.s.catalogue.KeyRemoved(c.Print) {
		return fleet.Technician{}, false
	}
	t, ok := d.s.catalogue.TechnicianByKey(c.Print)
	if c.Name != "" && (!ok || t.Name == c.Name) {
		t, ok = d.s.catalogue.Technician(c.Name)
	} else if c.Name != "" {
		return fleet.Technician{}, false
	}
	return t, ok && !t.Disabled
}

// Allowed implements sshd.Technicians.
func (d doorkeeper) Allowed(_ context.Context, c sshd.Credential) bool {
	_, ok := d.technician(c)
	return ok
}

// Gone implements sshd.Technicians.
func (d doorkeeper) Gone(c sshd.Credential) <-chan struct{} {
	if c.Name != "" {
		return d.s.catalogue.PersonGone(c.Name)
	}
	return d.s.catalogue.KeyGone(c.Print)
}

// Console implements sshd.Technicians.
func (d doorkeeper) Console(c sshd.Credential, _ net.Addr) (console.Backend, error) {
	self, err := d.self(c)
	if err != nil {
		return nil, err
	}
	return d.s.relay.Console(self), nil
}

func (d doorkeeper) self(c sshd.Credential) (console.Self, error) {
	t, ok := d.technician(c)
	if !ok {
		return console.Self{}, console.Errorf(console.CodeRefused, "ask an admin to let you in", "key %s is no technician's", c)
	}
	return console.Self{Name: t.Name, Key: c.String()}, nil
}

// person returns who has the key of that fingerprint.
func (s *server) person(fingerprint string) (console.Self, error) {
	return doorkeeper{s}.self(sshd.Credential{Print: fingerprint})
}

// userCAs reads public keys, each given as a line or as a file of lines. One that
// cannot be read is an error, and so is one with options that would be ignored.
func userCAs(given []string) ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	for _, text := range given {
		from := text
		if b, err := os.ReadFile(text); err == nil {
			text = string(b)
		}
		before := len(keys)
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
			if err != nil || len(options) > 0 && !slices.Equal(options, []string{"cert-authority"}) {
				return nil, fmt.Errorf("user CA %.60q: %.60q is not an SSH public key without options", from, line)
			}
			keys = append(keys, key)
		}
		if len(keys) == before {
			return nil, fmt.Errorf("user CA %.60q: there is no key in it", from)
		}
	}
	return keys, nil
}
