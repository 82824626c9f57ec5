// Command caisey is the relay, the demo and the reader of records.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/verb"
	"github.com/caisey/caisey/sessionlog/foreign"
)

// version is set by the linker.
var version = "devel"

// commands are what caisey does on this machine. Verbs that ask a relay are
// those of package verb.
type commands struct {
	Demo  demoCmd  `cmd:"" help:"Run a relay and agents of this machine, and show them."`
	Relay relayCmd `cmd:"" help:"Run the relay."`
}

// relayCmd is `caisey relay`.
type relayCmd struct {
	Data     string   `help:"Directory for everything that the relay keeps." required:"" placeholder:"DIR"`
	QUIC     string   `name:"quic" help:"UDP address for agents." default:":4433" placeholder:"ADDR"`
	SSH      string   `name:"ssh" help:"TCP address for technicians." default:":2222" placeholder:"ADDR"`
	Name     string   `help:"Host by which agents find this relay. Default: the host of --quic, or of this machine." placeholder:"HOST"`
	AdminKey []string `help:"SSH public key, or a file with one, of somebody who may do everything." placeholder:"KEY-OR-FILE"`
	UserCA   []string `name:"user-ca" help:"SSH public key, or a file of them, whose user certificates count." placeholder:"KEY-OR-FILE"`
	// ApprovalTTL is relay.Config's.
	ApprovalTTL span `name:"approval-ttl" help:"How long a step waits for approvals." default:"30m" placeholder:"DURATION"`
	// Webhook is relay.Config's.
	Webhook string `name:"approval-webhook" help:"URL that is told, by POST, that a step waits for approval." placeholder:"URL"`
	keepFlags
}

// Run serves until ctx ends.
func (r relayCmd) Run(ctx context.Context) error {
	keep, err := r.policy()
	if err != nil {
		return err
	}
	s, err := serve(ctx, serveConfig{
		Data: r.Data, QUIC: r.QUIC, SSH: r.SSH, Name: r.Name, AdminKeys: r.AdminKey, UserCAs: r.UserCA, Keep: keep,
		ApprovalTTL: time.Duration(r.ApprovalTTL), Webhook: r.Webhook, Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "caisey relay: agents on udp %s, technicians on ssh %s\n", s.quicAddr, s.sshAddr)
	<-ctx.Done()
	return s.Close()
}

func main() {
	if code, ok := foreign.Serve(os.Args[1:]); ok {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run dispatches on the first word: what runs here, a record's file, or a verb.
func run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		args = []string{"help"}
	}
	switch args[0] {
	case "demo", "relay":
		return report(local(ctx, args))
	case "log", "replay", "export":
		return offline(ctx, args)
	case "help", "--help", "-h":
		if len(args) == 1 || args[len(args)-1] == "demo" || args[len(args)-1] == "relay" {
			return report(help(args[1:]))
		}
	}
	return runVerb(ctx, args, nil)
}

// local runs one of commands.
func local(ctx context.Context, args []string) error {
	var c commands
	p, err := parser(&c)
	if err != nil {
		return err
	}
	k, err := p.Parse(args)
	if err != nil {
		return usageError(err.Error())
	}
	k.BindTo(ctx, (*context.Context)(nil))
	return k.Run()
}

func parser(c *commands) (*kong.Kong, error) {
	return kong.New(c, kong.Name("caisey"), kong.Description("Parallel, recorded diagnostics on enrolled endpoints."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90}))
}

// help prints what runs on this machine, then the verbs of the relay.
func help(words []string) error {
	var c commands
	p, err := parser(&c)
	if err != nil {
		return err
	}
	ctx, err := kong.Trace(p, words)
	if err != nil {
		return usageError(err.Error())
	}
	if err := ctx.PrintUsage(false); err != nil || len(words) > 0 {
		return err
	}
	fmt.Println("\nOffline, on a session file:")
	fmt.Println("  log FILE       Print a record: who, when, what, output, exit.")
	fmt.Println("  replay FILE    Replay it; on a terminal, in the interface.")
	fmt.Println("  export FILE    Print it as text, Markdown, HTML, JSON or asciicast.")
	fmt.Println("\nOn a relay, as `ssh RELAY VERB …`; without a verb ssh opens the interface:")
	verb.Run(context.Background(), verb.Call{Args: []string{"help"}, Stdout: os.Stdout, Stderr: os.Stderr, Version: version})
	return nil
}

// runVerb runs one line of the grammar against backend, which may be nil.
func runVerb(ctx context.Context, args []string, backend console.Backend) int {
	return verb.Run(ctx, verb.Call{
		Args: args, Backend: backend, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		TTY: isTerminal(os.Stdout), Files: true, Version: version, OpenRecord: openForeign,
	})
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// A usageError is a line that was wrong.
type usageError string

func (e usageError) Error() string { return string(e) + "; see `caisey help`" }

// report says err to the person, in one line, and returns the exit code.
func report(err error) int {
	if err == nil || errors.Is(err, context.Canceled) {
		return verb.ExitOK
	}
	var exit exitCode
	if errors.As(err, &exit) {
		return int(exit)
	}
	fmt.Fprintln(os.Stderr, "caisey:", err)
	var usage usageError
	var said *console.Error
	if errors.As(err, &usage) || errors.As(err, &said) && said.Code == console.CodeUsage {
		return verb.ExitUsage
	}
	return verb.ExitRelay
}
