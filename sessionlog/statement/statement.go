// Package statement defines what an endpoint signs at the end of a step, so that
// a relay can neither alter the step's output nor invent any.
package statement

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// A Statement is what an endpoint says of a step that it ran.
type Statement struct {
	Step    string // the step's ULID
	Command string // as the agent got it, byte for byte
	Exit    int    // -1 if it has none
	Signal  string // name of the signal that ended it; empty if none did
	// Stdout, Stderr and the Rows of a check are all that was sent, also what was left
	// out.
	Stdout, Stderr, Rows Output
}

// Output is the length and hash of all of one stream.
type Output struct {
	Bytes  int64
	SHA256 [sha256.Size]byte
}

// None is the Output of a stream to which nothing was written.
var None = Output{SHA256: sha256.Sum256(nil)}

// Text returns the bytes that are signed. Every line ends in LF:
//
//	caisey-statement-v1
//	step ULID
//	command SHA-256 of the command line, in hex
//	exit CODE
//	signal NAME, or "signal" and nothing more
//	stdout BYTES SHA-256
//	stderr BYTES SHA-256
//	rows BYTES SHA-256
//
// The last line is there only if there were rows.
func (s Statement) Text() []byte {
	command := sha256.Sum256([]byte(s.Command))
	signal := "signal"
	if s.Signal != "" {
		signal += " " + s.Signal
	}
	text := fmt.Appendf(nil, "caisey-statement-v1\nstep %s\ncommand %x\nexit %s\n%s\nstdout %d %x\nstderr %d %x\n",
		s.Step, command, strconv.Itoa(s.Exit), signal,
		s.Stdout.Bytes, s.Stdout.SHA256, s.Stderr.Bytes, s.Stderr.SHA256)
	if s.Rows.Bytes > 0 {
		text = fmt.Appendf(text, "rows %d %x\n", s.Rows.Bytes, s.Rows.SHA256)
	}
	return text
}

// Sign returns the signature of the statement, in hex.
func (s Statement) Sign(key ed25519.PrivateKey) string {
	return hex.EncodeToString(ed25519.Sign(key, s.Text()))
}

// Verify reports why signature, in hex, is not that of the statement by key,
// also in hex.
func (s Statement) Verify(key, signature string) error {
	k, err := hex.DecodeString(key)
	if err != nil || len(k) != ed25519.PublicKeySize {
		return errors.New("agent's key is not an Ed25519 key in hex")
	}
	sig, err := hex.DecodeString(signature)
	if err != nil || !ed25519.Verify(k, s.Text(), sig) {
		return errors.New("agent's signature does not match")
	}
	return nil
}
