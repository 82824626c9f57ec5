package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	shape "github.com/caisey/caisey/sessionlog/check"
)

// The shapes in which a check is declared and answers, from sessionlog/check.
type (
	Spec    = shape.Spec
	Param   = shape.Param
	Table   = shape.Table
	Column  = shape.Column
	Values  = shape.Values
	Finding = shape.Finding
	Edge    = shape.Edge
)

// The severities of findings.
const (
	Info = shape.Info
	Warn = shape.Warn
	Crit = shape.Crit
)

// A Check asks one question of this machine.
type Check struct {
	Spec
	// Run asks it, and tells out what it finds. It ends early when ctx ends. What it
	// returns is nil, or why it cannot tell: see Unknown. What it told before holds.
	Run func(ctx context.Context, in Input, out *Out) error
}

// An Input is what a check is asked with.
type Input struct {
	Values
	// Secrets are those that this endpoint holds. They go neither into out nor into
	// the arguments of any process.
	Secrets Secrets
}

// An UnknownError says why a check cannot tell.
type UnknownError struct{ Why string }

// Error implements error.
func (e *UnknownError) Error() string { return e.Why }

// Unknown returns the error of a check that cannot tell: the right or the software
// that is missing, and what would help, in one line.
func Unknown(format string, args ...any) error {
	return &UnknownError{Why: fmt.Sprintf(format, args...)}
}

// why says in one line why a check cannot tell.
func why(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("the agent has no right to: %v", err)
	}
	return err.Error()
}
