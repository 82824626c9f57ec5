// Command caisey-agent makes a machine an endpoint of a Caisey relay and runs
// what technicians ask of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/caisey/caisey/agent"
	"github.com/caisey/caisey/agent/check/catalogue"
)

// version is set by the linker.
var version = "devel"

// The exit codes.
const (
	exitError = 1
	exitUsage = 2
)

type commands struct {
	Enroll enrollCmd `cmd:"" help:"Make this machine an endpoint of the relay that TOKEN names."`
	Run    runCmd    `cmd:"" help:"Run the agent in the foreground."`

	Install   installCmd   `cmd:"" help:"Make the agent a service of this machine, and start it."`
	Uninstall uninstallCmd `cmd:"" help:"Stop that service and remove it. The data stays."`
	Status    statusCmd    `cmd:"" help:"Say how the service, the connection and the endpoint's own policy are."`

	Version versionCmd `cmd:"" help:"Print the version."`
}

type enrollCmd struct {
	Token string `arg:"" help:"Enrolment token from your relay (caisey1:...)."`
	Name  string `help:"Name of the endpoint. If not given, the host's name."`
	Data  string `help:"Directory of the agent's key and spool." default:"${data}" placeholder:"DIR"`
}

type runCmd struct {
	Data   string `help:"Directory of the agent's key and spool." default:"${data}" placeholder:"DIR"`
	Policy string `help:"The endpoint's own policy. If not given, the file policy in the data directory." placeholder:"FILE"`
}

type versionCmd struct{}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newManager(), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// stream is where a command prints to.
type stream struct{ out, err io.Writer }

func run(ctx context.Context, services manager, args []string, stdout, stderr io.Writer) int {
	ended := -1 // by kong, after --help
	parser, err := kong.New(&commands{},
		kong.Name("caisey-agent"),
		kong.Description("Makes a machine an endpoint of a Caisey relay and runs what technicians ask of it."),
		kong.Vars{"data": defaultData()},
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { ended = code }),
		kong.Bind(stream{stdout, stderr}),
		kong.BindTo(services, (*manager)(nil)),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return fail(stderr, err, exitError)
	}
	command, err := parser.Parse(args)
	if ended >= 0 {
		return ended
	}
	if err != nil {
		return fail(stderr, err, exitUsage)
	}
	err = command.Run()
	if errors.Is(err, errNotWell) {
		return exitError
	}
	if err != nil {
		return fail(stderr, err, exitError)
	}
	return 0
}

// fail prints an error on one line.
func fail(stderr io.Writer, err error, code int) int {
	line := strings.Join(strings.Split(strings.TrimSpace(err.Error()), "\n"), "; ")
	fmt.Fprintln(stderr, "caisey-agent: "+line)
	return code
}

func (c *enrollCmd) Run(ctx context.Context, s stream) error {
	e, err := agent.Enroll(ctx, c.Token, agent.Config{Data: c.Data, Name: c.Name, Version: version})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "enrolled as %s (client %s) at %s\n", printable(e.Name), printable(e.Client), e.Addr)
	return err
}

func (c *runCmd) Run(ctx context.Context, s stream) error {
	return serve(ctx, s.err, func(ctx context.Context, log io.Writer) error {
		err := agent.Run(ctx, agent.Config{
			Checks: catalogue.All(),
			Data:   c.Data, Policy: c.Policy, Version: version, Log: slog.New(slog.NewTextHandler(log, nil)),
		})
		return withHint(err, c.Data)
	})
}

// withHint says what to do where a machine is not enrolled.
func withHint(err error, data string) error {
	if errors.Is(err, agent.ErrNotEnrolled) {
		return fmt.Errorf("%w; enrol it first: caisey-agent enroll TOKEN --data %s", err, data)
	}
	return err
}

func (c *versionCmd) Run(s stream) error {
	_, err := fmt.Fprintf(s.out, "caisey-agent %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

// printable keeps what a relay sent from acting on the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// defaultData returns where an agent keeps its things if it is not told.
func defaultData() string {
	switch {
	case runtime.GOOS == "windows":
		return filepath.Join(os.Getenv("ProgramData"), "caisey-agent")
	case os.Geteuid() == 0:
		return "/var/lib/caisey-agent"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "caisey-agent")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "caisey-agent"
	}
	return filepath.Join(home, ".local", "state", "caisey-agent")
}
