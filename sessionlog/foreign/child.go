package foreign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// farewell is how long a child may take to go by itself.
const farewell = 2 * time.Second

// A child is a process that reads one record.
type child struct {
	// Static after start.
	cmd      *exec.Cmd
	codec    *codec
	client   *rpc.Client
	patience time.Duration
	unwatch  func() bool   // lets go of the context
	exited   chan struct{} // closed once the process is gone

	stderr head // that of the process; to be read once that has exited

	mu  sync.Mutex // guards what follows
	why error      // for which it was ended; nil while it was not
}

// start starts a child for the record at path.
func (s starter) start(ctx context.Context, path string) (*child, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(exe, s.word, path), patience: s.patience, exited: make(chan struct{})}
	c.cmd.Env = []string{}
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = farewell
	stdin, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	from, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	defer stdout.Close()
	widen(stdout)
	c.cmd.Stdin, c.cmd.Stdout = stdin, stdout
	c.codec = newCodec(to, from)
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(err, c.codec.Close())
	}
	c.client = rpc.NewClientWithCodec(c.codec)
	c.unwatch = context.AfterFunc(ctx, func() { c.kill(context.Cause(ctx)) })
	go func() { // until the process is gone, for which close waits
		_ = c.cmd.Wait()     // its state tells
		_ = c.client.Close() // an error says that it was closed before
		close(c.exited)
	}()
	return c, nil
}

// call asks the child. If ctx ends first the answer is not waited for, but the
// child must still give it in time.
func (c *child) call(ctx context.Context, method string, q ask) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	var a answer
	call := c.client.Go("Record."+method, q, &a, make(chan *rpc.Call, 1))
	answered := make(chan struct{})
	late := time.AfterFunc(c.patience, func() {
		if len(call.Done) == 0 && !isClosed(answered) {
			c.kill(killedError(fmt.Sprintf("no answer within %v", c.patience)))
		}
	})
	select {
	case <-call.Done:
		close(answered)
		late.Stop()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if call.Error != nil {
		return nil, c.fate()
	}
	return &a, nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A killedError says what a child was ended for.
type killedError string

func (e killedError) Error() string {
	return "its reader was killed (" + string(e) + "); the file is damaged or hostile"
}

// end notes why the child ends, unless that is known.
func (c *child) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == nil {
		c.why = why
	}
}

func (c *child) kill(why error) {
	c.end(why)
	_ = c.cmd.Process.Kill() // an error says that it is gone
}

// fate returns why the child no longer answers, once it is gone.
func (c *child) fate() error {
	if c.codec.in.over.Load() {
		c.kill(killedError(fmt.Sprintf("an answer of more than %d MiB", maxAnswer>>20)))
	}
	c.await("what it said was no answer")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return c.why
	}
	return killedError(c.death())
}

// await waits until the child is gone, and sees to it.
func (c *child) await(why string) {
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-c.exited:
	case <-timer.C:
		c.kill(killedError(why))
		<-c.exited
	}
}

// death says how the child died by itself, from what it said on stderr: it, or Go's
// runtime.
func (c *child) death() string {
	said := c.stderr.String()
	switch {
	case strings.Contains(said, "SIGXCPU"):
		return "over its limit of processor time"
	case strings.Contains(said, "out of memory") || strings.Contains(said, "cannot allocate memory") ||
		strings.Contains(said, "pthread_create failed") || strings.Contains(said, "failed to allocate") || strings.Contains(said, "address space"): // as the race detector says
		return "over its limit of memory"
	}
	text := c.cmd.ProcessState.String()
	if line, _, _ := strings.Cut(said, "\n"); line != "" {
		text += ": " + clean(line, 200)
	}
	return text
}

// close lets the child go, and kills it if it does not.
func (c *child) close() {
	c.unwatch()
	c.end(sessionlog.ErrClosed)
	_ = c.client.Close() // an error says that it was closed before
	c.await("it did not end")
}

// A head keeps the first bytes that are written to it.
type head struct{ b bytes.Buffer }

// maxHead is how many.
const maxHead = 4 << 10

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.b.Write(p[:min(len(p), maxHead-h.b.Len())])
	return len(p), nil
}

func (h *head) String() string { return h.b.String() }
