package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// maxTool is the most bytes of a tool's output that a check reads.
const maxTool = 8 << 20

// toolWait is how long a tool that was killed may hold its output open.
const toolWait = 2 * time.Second

// Tool runs a program of the machine and returns what it printed. What it printed is
// raw evidence and goes to out; out may be nil. Programs speak English: LC_ALL is C.
// A program that is not there, and one that may not be run, is an UnknownError; one
// that fails is an error beside what it printed.
func Tool(ctx context.Context, out *Out, name string, args ...string) ([]byte, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = lookInSbin(name)
	}
	if err != nil {
		return nil, Unknown("there is no %s on this machine", name)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANGUAGE=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0")
	cmd.WaitDelay = toolWait
	stdout, stderr := &limited{max: maxTool}, &limited{max: maxTool}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	if out != nil {
		out.Raw(stdout.Bytes())
		out.Say(stderr.Bytes())
	}
	switch {
	case ctx.Err() != nil:
		return stdout.Bytes(), context.Cause(ctx)
	case errors.Is(err, os.ErrPermission):
		return nil, Unknown("the agent may not run %s", name)
	case stdout.over || stderr.over:
		return stdout.Bytes(), fmt.Errorf("%s printed more than %d MiB", name, maxTool>>20)
	case err != nil:
		return stdout.Bytes(), &ToolError{Name: name, Err: err, Stderr: oneLine(stderr.String())}
	}
	return stdout.Bytes(), nil
}

// lookInSbin finds administrators' programs that are not on a service's PATH.
func lookInSbin(name string) (string, error) {
	for _, dir := range []string{"/usr/local/sbin/", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil && !strings.Contains(name, "/") {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// A ToolError is the failure of a program.
type ToolError struct {
	Name   string
	Err    error
	Stderr string // in one line
}

// Error says what failed, and what the program said of it.
func (e *ToolError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Name, e.Err, e.Stderr)
}

// Unwrap returns the failure itself.
func (e *ToolError) Unwrap() error { return e.Err }

// limited keeps the first max bytes.
type limited struct {
	bytes.Buffer
	max  int
	over bool
}

func (l *limited) Write(b []byte) (int, error) {
	room := l.max - l.Len()
	if len(b) > room {
		l.over = true
	}
	l.Buffer.Write(b[:min(room, len(b))])
	return len(b), nil
}
