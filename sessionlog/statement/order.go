package statement

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// An Order is exactly what is to run, where and for whom: what an approval approves,
// and what the endpoint holds against the digest before it starts anything.
type Order struct {
	Step       string // the step's ULID
	Session    string // the session's
	Technician string // who asks
	Effect     string // read, probe, shell or change
	Timeout    time.Duration
	Command    string // byte for byte
}

// Text returns the bytes of which the digest is made:
//
//	caisey-order-v1
//	step ULID
//	session ULID
//	technician NAME
//	effect EFFECT
//	timeout NANOSECONDS
//	command BYTES
//
// Each line ends in LF; after the last come the bytes of the command and nothing
// more.
func (o Order) Text() []byte {
	text := fmt.Appendf(nil, "caisey-order-v1\nstep %s\nsession %s\n", o.Step, o.Session)
	return o.appendSubject(text)
}

// appendSubject appends what two orders have in common that ask for the same.
func (o Order) appendSubject(text []byte) []byte {
	text = fmt.Appendf(text, "technician %s\neffect %s\ntimeout %d\ncommand %d\n",
		o.Technician, o.Effect, o.Timeout.Nanoseconds(), len(o.Command))
	return append(text, o.Command...)
}

// Digest returns the SHA-256 of the order's text.
func (o Order) Digest() [sha256.Size]byte { return sha256.Sum256(o.Text()) }

// Subject returns the SHA-256 of the line "caisey-subject-v1" and of the order's text
// from the line of the technician on: two orders have the same where they differ in
// nothing but step and session.
func (o Order) Subject() [sha256.Size]byte {
	return sha256.Sum256(o.appendSubject([]byte("caisey-subject-v1\n")))
}
