package sshd

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

// Limits of what a client may say about its environment.
const (
	maxEnv      = 16  // variables
	maxEnvName  = 24  // bytes of a name
	maxEnvValue = 128 // bytes of a value
)

// environ decides which variables of a client are taken: those that say how to
// write for its terminal, few and small.
type environ struct{ n int }

// take reports whether the variable in an env request is taken.
func (e *environ) take(payload []byte) bool {
	var v struct{ Name, Value string }
	if ssh.Unmarshal(payload, &v) != nil || !wanted(v.Name) || !plainValue(v.Value) || e.n == maxEnv {
		return false
	}
	e.n++
	return true
}

func wanted(name string) bool {
	switch name {
	case "LANG", "TERM", "COLORTERM", "NO_COLOR":
		return true
	}
	return strings.HasPrefix(name, "LC_") && plainWord(name, maxEnvName)
}

func plainValue(s string) bool { return s == "" || plainWord(s, maxEnvValue) }

// plainWord reports whether s is 1 to max letters, digits and such signs as
// locales and terminals have in their names.
func plainWord(s string, max int) bool {
	if s == "" || len(s) > max {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && !(c >= '0' && c <= '9') && strings.IndexByte("._-+@:;,=", c) < 0 {
			return false
		}
	}
	return true
}
