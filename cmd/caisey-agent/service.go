package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caisey/caisey/agent"
)

// serviceName is what the machine's service manager knows the agent by.
const serviceName = "caisey-agent"

// A setup is what a service runs. Its paths are absolute; those of the executable and
// of the data have no links in them, so that what was looked at is what is run.
type setup struct {
	exe, data string
	policy    string // may be empty
}

// args is the command line of the service, after its executable.
func (s setup) args() []string {
	args := []string{"run", "--data", s.data}
	if s.policy != "" {
		args = append(args, "--policy", s.policy)
	}
	return args
}

// A manager is the service manager of a machine: systemd, the SCM of Windows, launchd.
type manager interface {
	// guard says why s must not run as a service: because others could change it.
	guard(s setup) error
	// install makes s the service, starts it now and at every start of the machine,
	// and returns what it did, a line each.
	install(ctx context.Context, s setup) ([]string, error)
	// uninstall stops the service, removes it, and returns what it did.
	uninstall(ctx context.Context) ([]string, error)
	// state says how the service is, and whether it runs.
	state(ctx context.Context) (says string, runs bool, err error)
}

type installCmd struct {
	Data   string `help:"Directory of the agent's key and spool." default:"${data}" placeholder:"DIR"`
	Policy string `help:"The endpoint's own policy, as for run." placeholder:"FILE"`
}

func (c *installCmd) Run(ctx context.Context, services manager, s stream) error {
	set, err := c.setup()
	if err != nil {
		return err
	}
	if err := services.guard(set); err != nil {
		return fmt.Errorf("install service: %w", err)
	}
	did, err := services.install(ctx, set)
	for _, line := range did {
		fmt.Fprintln(s.out, line)
	}
	if err != nil {
		return fmt.Errorf("install service: %w", err)
	}
	fmt.Fprintln(s.out, "policy: "+policyInForce(agent.Config{Data: set.data, Policy: set.policy}))
	return nil
}

// setup returns what is to be installed: this executable, where it is.
func (c *installCmd) setup() (setup, error) {
	var set setup
	if _, err := agent.ReadEnrolment(c.Data); err != nil {
		return set, withHint(err, c.Data)
	}
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return set, fmt.Errorf("find this executable: %w", err)
	}
	set.exe = exe
	for _, p := range []struct {
		to   *string
		path string
	}{{&set.data, c.Data}, {&set.policy, c.Policy}} {
		if p.path == "" {
			continue
		}
		if *p.to, err = filepath.Abs(p.path); err != nil {
			return set, fmt.Errorf("find %s: %w", p.path, err)
		}
	}
	if set.data, err = filepath.EvalSymlinks(set.data); err != nil {
		return set, fmt.Errorf("find %s: %w", c.Data, err)
	}
	for _, path := range []string{set.exe, set.data, set.policy} {
		if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return set, fmt.Errorf("install service: the path %q has control characters", path)
		}
	}
	return set, nil
}

type uninstallCmd struct {
	Data string `help:"Directory of the agent's key and spool, which stays." default:"${data}" placeholder:"DIR"`
}

func (c *uninstallCmd) Run(ctx context.Context, services manager, s stream) error {
	did, err := services.uninstall(ctx)
	for _, line := range did {
		fmt.Fprintln(s.out, line)
	}
	if err != nil {
		return fmt.Errorf("uninstall service: %w", err)
	}
	if _, err := agent.ReadEnrolment(c.Data); !errors.Is(err, agent.ErrNotEnrolled) {
		fmt.Fprintf(s.out, "%s stays, with the endpoint's key; to end the enrolment, revoke the endpoint at its relay\n", c.Data)
	}
	return nil
}
