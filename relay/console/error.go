package console

import "fmt"

// Code says what kind of failure an Error is, so that every door can act alike.
type Code string

// The codes.
const (
	CodeUsage    Code = "usage"     // the asking itself is wrong
	CodeRefused  Code = "refused"   // the person may not
	CodeNotFound Code = "not_found" // there is none, or none that the person may see
	CodeOffline  Code = "offline"   // no endpoint reached
	CodeFailed   Code = "failed"    // the relay could not do it
)

// An Error is a failure in words for a person.
type Error struct {
	Code Code
	// What says what failed and on what, in one line.
	What string
	// Hint says what to do next, in one line; it may be empty.
	Hint string
}

// Error returns what failed and what to do next, in one line.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.What
	}
	return e.What + "; " + e.Hint
}

// Errorf returns an Error whose What is formatted and whose Hint is hint.
func Errorf(code Code, hint, format string, args ...any) *Error {
	return &Error{Code: code, What: fmt.Sprintf(format, args...), Hint: hint}
}
