package sessionlog

import (
	"fmt"
	"regexp"

	"github.com/oklog/ulid/v2"
)

// A SessionID names one session and its record for ever: a ULID, 26 characters
// of Crockford base32 that sort by the time they were made.
type SessionID string

// A StepID names one step. Whoever asks for the step makes it, so that asking
// twice is asking once. A ULID.
type StepID string

// An EndpointID names one enrolled endpoint through renames and moves. A ULID.
type EndpointID string

// NewSessionID returns an ID that was never used before.
func NewSessionID() SessionID { return SessionID(ulid.Make().String()) }

// NewStepID returns an ID that was never used before.
func NewStepID() StepID { return StepID(ulid.Make().String()) }

// NewEndpointID returns an ID that was never used before.
func NewEndpointID() EndpointID { return EndpointID(ulid.Make().String()) }

var idPattern = regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)

// CheckID reports why s is not the text of an ID. Nothing but a checked ID may
// become part of a file name.
func CheckID(s string) error {
	if !idPattern.MatchString(s) {
		return fmt.Errorf("%.40q is not an id (26 characters of base32)", s)
	}
	return nil
}
