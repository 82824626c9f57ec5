package statement

import (
	"crypto/sha256"
	"testing"
	"time"
)

// The text of an order never changes: this one is frozen.
const frozenOrder = "caisey-order-v1\nstep S1\nsession S2\ntechnician ana\neffect change\ntimeout 60000000000\ncommand 11\nreboot\n\x00\xff\tx"

func TestOrder(t *testing.T) {
	o := Order{Step: "S1", Session: "S2", Technician: "ana", Effect: "change", Timeout: time.Minute, Command: "reboot\n\x00\xff\tx"}
	if got := string(o.Text()); got != frozenOrder {
		t.Errorf("text is %q", got)
	}
	seen := map[[32]byte]string{o.Digest(): "the order"}
	for name, change := range map[string]func(*Order){
		"step":       func(o *Order) { o.Step = "S3" },
		"session":    func(o *Order) { o.Session = "S3" },
		"technician": func(o *Order) { o.Technician = "bo" },
		"effect":     func(o *Order) { o.Effect = "read" },
		"timeout":    func(o *Order) { o.Timeout++ },
		"command":    func(o *Order) { o.Command += "\n" },
		"lines":      func(o *Order) { o.Technician = "ana\neffect read"; o.Effect = "" },
	} {
		other := o
		change(&other)
		if like, ok := seen[other.Digest()]; ok {
			t.Errorf("another %s has the digest of %s", name, like)
		}
		seen[other.Digest()] = name
	}
}

// What the subject is made of never changes either.
const frozenSubject = "caisey-subject-v1\ntechnician ana\neffect change\ntimeout 60000000000\ncommand 11\nreboot\n\x00\xff\tx"

func TestSubject(t *testing.T) {
	o := Order{Step: "S1", Session: "S2", Technician: "ana", Effect: "change", Timeout: time.Minute, Command: "reboot\n\x00\xff\tx"}
	if o.Subject() != sha256.Sum256([]byte(frozenSubject)) {
		t.Error("the subject is made of something else")
	}
	again := o
	again.Step, again.Session = "S3", "S4"
	if again.Subject() != o.Subject() {
		t.Error("the same asked again has another subject")
	}
	seen := map[[32]byte]string{o.Subject(): "the order", o.Digest(): "its digest"}
	for name, change := range map[string]func(*Order){
		"technician": func(o *Order) { o.Technician = "bo" },
		"effect":     func(o *Order) { o.Effect = "read" },
		"timeout":    func(o *Order) { o.Timeout++ },
		"command":    func(o *Order) { o.Command += "\n" },
		"lines":      func(o *Order) { o.Technician = "ana\neffect read"; o.Effect = "" },
	} {
		other := o
		change(&other)
		if like, ok := seen[other.Subject()]; ok {
			t.Errorf("another %s has the subject of %s", name, like)
		}
		seen[other.Subject()] = name
	}
}
