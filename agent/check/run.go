package check

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/caisey/caisey/sessionlog"
)

// Do asks the check and passes what it finds to send, in pieces of at most 32 KiB;
// on the stream of rows each is one whole line. It returns an error where there is no
// answer: the arguments are wrong, ctx ended, send failed, or the check itself is
// broken.
func (c Check) Do(ctx context.Context, args map[string]string, secrets Secrets, send func(sessionlog.Stream, []byte) error) error {
	values, err := c.Values(args)
	if err != nil {
		return err
	}
	out := newOut(c.Spec, send)
	err = c.try(ctx, Input{values, secrets}, out)
	if broken, ok := err.(*brokenError); ok {
		return broken
	}
	if err := out.end(ctx, values, err); err != nil {
		return fmt.Errorf("check %s: %w", c.Name, err)
	}
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// A brokenError is the panic of a check.
type brokenError struct {
	name string
	what any
}

func (e *brokenError) Error() string {
	return fmt.Sprintf("check %s is broken: %v", e.name, e.what)
}

// try runs the check. A panic of it does not take the agent with it.
func (c Check) try(ctx context.Context, in Input, out *Out) (err error) {
	defer func() {
		if p := recover(); p != nil {
			out.Say(debug.Stack())
			err = &brokenError{c.Name, p}
		}
	}()
	return c.Run(ctx, in, out)
}
