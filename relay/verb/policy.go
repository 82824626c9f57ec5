package verb

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/caisey/caisey/relay/console"
)

type policyShowVerb struct{}

func (*policyShowVerb) run(ctx context.Context, e *env) error {
	p, err := e.call.Backend.Policy(ctx)
	if err != nil {
		return err
	}
	e.out.data([]byte(p.Text))
	if p.By == "" {
		e.out.sayf("this is the default: none was applied")
	} else {
		e.out.sayf("applied by %s at %s", p.By, p.At.UTC().Format(time.RFC3339))
	}
	return nil
}

type policyCheckVerb struct {
	File string `arg:"" help:"The policy: a file, or - for standard input."`
}

func (v *policyCheckVerb) run(ctx context.Context, e *env) error {
	text, err := e.readText("policy check", v.File)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.ApplyPolicy{Text: text, Check: true}); err != nil {
		return err
	}
	e.out.sayf("it could be applied")
	return nil
}

type policyApplyVerb struct {
	File string `arg:"" help:"The policy: a file, or - for standard input."`
}

func (v *policyApplyVerb) run(ctx context.Context, e *env) error {
	text, err := e.readText("policy apply", v.File)
	if err != nil {
		return err
	}
	if _, err := e.call.Backend.Do(ctx, console.ApplyPolicy{Text: text}); err != nil {
		return err
	}
	e.out.sayf("applied; it holds for every step that is asked for from now on")
	return nil
}

// maxPolicy is the most bytes of a policy that is sent to the relay.
const maxPolicy = 64 << 10

// readText returns the text of a file, or of standard input.
func (e *env) readText(verb, name string) (string, error) {
	from := e.call.Stdin
	switch {
	case name == "-":
	case !e.call.Files:
		return "", console.Errorf(console.CodeUsage, "send it with - < FILE", "%s: the relay cannot read your file %q", verb, name)
	default:
		f, err := os.Open(name)
		if err != nil {
			return "", console.Errorf(console.CodeUsage, "name a readable file", "%s: %v", verb, err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxPolicy+1))
	if err != nil {
		return "", fmt.Errorf("%s: read %s: %w", verb, name, err)
	}
	if len(text) > maxPolicy {
		return "", console.Errorf(console.CodeUsage, "", "%s: there is more than %d bytes", verb, maxPolicy)
	}
	return string(text), nil
}
