package main

import (
	"context"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
)

// A doorkeeper tells the SSH door who may come in.
type doorkeeper struct{ s *server }

// Allowed implements sshd.Technicians.
func (d doorkeeper) Allowed(_ context.Context, key ssh.PublicKey) bool {
	_, ok := d.s.catalogue.TechnicianByKey(ssh.FingerprintSHA256(key))
	return ok
}

// Console implements sshd.Technicians.
func (d doorkeeper) Console(key ssh.PublicKey, _ net.Addr) (console.Backend, error) {
	self, err := d.s.person(ssh.FingerprintSHA256(key))
	if err != nil {
		return nil, err
	}
	return d.s.relay.Console(self), nil
}

// person returns who has the key of that fingerprint.
func (s *server) person(fingerprint string) (console.Self, error) {
	t, ok := s.catalogue.TechnicianByKey(fingerprint)
	if !ok {
		return console.Self{}, console.Errorf(console.CodeRefused, "ask an admin to let you in", "key %s is no technician's", fingerprint)
	}
	return console.Self{Name: t.Name, Key: fingerprint}, nil
}
