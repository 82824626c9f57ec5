// Package verb is the one grammar of Caisey: it parses a line, runs it against a
// console.Backend, and prints.
//
// Every door uses it: the SSH server, the local command line and the palette of
// the interface. Data goes to stdout and everything said to a person to stderr;
// docs/cli.md lists the verbs, the fields of their JSON and the exit codes.
package verb

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/caisey/caisey/relay/console"
)

// Exit codes. A plain command on exactly one target returns its own.
const (
	ExitOK        = 0
	ExitFailed    = 1   // at least one target failed
	ExitUsage     = 2   // the line itself is wrong
	ExitRefused   = 3   // refused by policy or not approved
	ExitOffline   = 4   // no endpoint reached
	ExitRelay     = 5   // the relay could not do it
	ExitCancelled = 130 // cancelled
)

// A Call is one line to run and the world it runs in.
type Call struct {
	// Line is the line as SSH hands it over: what follows its first " -- " is
	// a command, byte for byte.
	Line string
	// Args are the words of a process's own command line. They are used if Line
	// is empty; words after "--" are joined by spaces.
	Args []string
	// Backend answers. It is needed by all verbs but help and version.
	Backend console.Backend
	// Stdin is read by `tech add --key -`. If nil, it is empty.
	Stdin io.Reader
	// Stdout gets data, Stderr what is said to a person. If nil, discarded.
	Stdout, Stderr io.Writer
	// TTY says that Stdout is a terminal; tables then have a head.
	TTY bool
	// Width is how many columns a table may take on a terminal. If zero, any.
	Width int
	// NoColor leaves colours out, those of endpoints too.
	NoColor bool
	// Now tells the time. If nil, time.Now.
	Now func() time.Time
	// Files says that files named on the line may be read on this machine. It
	// must be false where the line comes from another machine.
	Files bool
	// Open shows the interface with one pane for each endpoint that the targets
	// match, and returns an exit code. If nil, there is no terminal for it.
	Open func(ctx context.Context, targets []string) int
	// OpenRecord opens a record's file to be verified. If nil, it cannot be.
	OpenRecord func(ctx context.Context, path string) (RecordFile, error)
	// RelayKey is the key of the relay at hand, which verify trusts. If empty,
	// the record names one, or the line.
	RelayKey string
	// Version is what `version` prints. If empty, "devel".
	Version string
}

// Run runs the line of c and returns its exit code. If ctx ends first, the steps
// that it started are cancelled and it returns ExitCancelled.
func Run(ctx context.Context, c Call) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.defaults()
	e := &env{call: c, out: newOutput(c.Stdout, c.Stderr, cancel)}
	err := e.run(ctx)
	code := e.exitCode(ctx, err)
	if err != nil {
		e.tell(err)
	}
	return code
}

func (c *Call) defaults() {
	if c.Stdin == nil {
		c.Stdin = eof{}
	}
	if c.Stdout == nil {
		c.Stdout = io.Discard
	}
	if c.Stderr == nil {
		c.Stderr = io.Discard
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Version == "" {
		c.Version = "devel"
	}
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// env is what a verb has at hand while it runs.
type env struct {
	call    Call
	out     *output
	command string // what followed " -- "
	hasCmd  bool
}

// run parses the line and runs its verb.
func (e *env) run(ctx context.Context) error {
	words, command, hasCmd, err := e.call.words()
	if err != nil {
		return err
	}
	e.command, e.hasCmd = command, hasCmd
	v, err := e.parse(words)
	if err != nil || v == nil {
		return err
	}
	if _, ok := v.(offline); !ok && e.call.Backend == nil {
		return console.Errorf(console.CodeUsage, "write `ssh RELAY "+words[0]+" …`", "there is no relay here to ask")
	}
	return v.run(ctx, e)
}

// An exitError ends a verb with a code; whatever there was to say is said.
type exitError int

func (exitError) Error() string { return "" }

// exitCode returns the code that stands for err.
func (e *env) exitCode(ctx context.Context, err error) int {
	var exit exitError
	var ce *console.Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return int(exit)
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return ExitCancelled
	case errors.As(err, &ce):
		return codeOf(ce.Code)
	}
	return ExitRelay
}

func codeOf(c console.Code) int {
	switch c {
	case console.CodeUsage:
		return ExitUsage
	case console.CodeRefused:
		return ExitRefused
	case console.CodeNotFound, console.CodeOffline:
		return ExitOffline
	}
	return ExitRelay
}

// tell says err to the person, in one line.
func (e *env) tell(err error) {
	switch {
	case errors.As(err, new(exitError)):
	case errors.Is(err, context.Canceled):
		e.out.sayf("cancelled")
	default:
		e.out.sayf("%s", err.Error())
	}
}
