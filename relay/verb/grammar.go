package verb

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/caisey/caisey/relay/console"
)

// grammar holds every verb; kong reads the words, flags and help from it.
type grammar struct {
	Help helpFlag `name:"help" short:"h" help:"Show what a verb takes."`

	Ls    lsVerb    `cmd:"" help:"List endpoints."`
	Run   runVerb   `cmd:"" help:"Run a shell command on every target: run TARGET… -- COMMAND…"`
	Check checkVerb `cmd:"" help:"Ask a typed check: check TARGET… CHECK [NAME=VALUE]…, check --list, check CHECK --help"`
	Sym   symVerb   `cmd:"" help:"Ask what a symptom asks, of a client's endpoints by their roles: sym SYMPTOM @CLIENT"`
	Pack  struct {
		Ls    packLsVerb    `cmd:"" help:"List packs, symptoms and thresholds."`
		Show  packShowVerb  `cmd:"" help:"Print the text of one."`
		Save  packSaveVerb  `cmd:"" help:"Save a text as one."`
		Learn packLearnVerb `cmd:"" help:"Save what found it in an incident as a symptom."`
		Rm    packRmVerb    `cmd:"" help:"Take one away."`
	} `cmd:"" help:"What your team asks first."`
	Open     openVerb     `cmd:"" help:"Open the interface with one pane for each endpoint."`
	Sessions sessionsVerb `cmd:"" help:"List session records, newest first."`
	Log      logVerb      `cmd:"" help:"Print a record: who, when, what, output, exit."`
	Replay   replayVerb   `cmd:"" help:"Print a record at the pace at which it happened, from any place in it."`
	Export   exportVerb   `cmd:"" help:"Print a record in another form: text, Markdown, HTML, JSON or asciicast."`
	Search   searchVerb   `cmd:"" help:"Find words in every record that you may see: commands, output, notes."`
	Verify   verifyVerb   `cmd:"" help:"Is a record whole and unchanged?"`
	Close    closeVerb    `cmd:"" help:"Seal a session."`
	Note     noteVerb     `cmd:"" help:"Add a note to a session."`
	Incident struct {
		Open  incidentOpenVerb  `cmd:"" help:"Open one, and work in it."`
		Ls    incidentLsVerb    `cmd:"" help:"List them, newest first."`
		Show  incidentShowVerb  `cmd:"" help:"Say what one is, and list its sessions."`
		Join  incidentJoinVerb  `cmd:"" help:"Work in one: your sessions at its client belong to it."`
		Close incidentCloseVerb `cmd:"" help:"End one."`
	} `cmd:"" help:"Sessions gathered around one outage."`
	Approve struct {
		Ls       approveLsVerb       `cmd:"" help:"List the steps that wait for an answer."`
		Show     approveShowVerb     `cmd:"" help:"Say exactly what one of them is."`
		Grant    approveGrantVerb    `cmd:"" help:"Say yes."`
		Deny     approveDenyVerb     `cmd:"" help:"Say no, and why."`
		Override approveOverrideVerb `cmd:"" help:"Break the glass: run it without approval, as an admin, loudly."`
	} `cmd:"" help:"Steps that a gate holds."`
	Policy struct {
		Show  policyShowVerb  `cmd:"" help:"Print the rules by which the relay decides."`
		Check policyCheckVerb `cmd:"" help:"Say whether a policy could be applied."`
		Apply policyApplyVerb `cmd:"" help:"Make it the policy."`
	} `cmd:"" help:"Who may do what."`
	Token struct {
		New    tokenNewVerb    `cmd:"" help:"Make an enrolment token and print it, once."`
		Ls     tokenLsVerb     `cmd:"" help:"List those that can still be used."`
		Revoke tokenRevokeVerb `cmd:"" help:"End one before its time."`
	} `cmd:"" help:"Enrolment tokens."`
	Tech struct {
		Add    techAddVerb    `cmd:"" help:"Let a person in."`
		Ls     techLsVerb     `cmd:"" help:"List who is let in, as what and with which keys."`
		Role   techRoleVerb   `cmd:"" help:"Change what a person is, everywhere or for some clients."`
		Oncall techOncallVerb `cmd:"" help:"Put a lead on call for a client."`
		Key    struct {
			Add techKeyAddVerb    `cmd:"" help:"Let a person in by one more key."`
			Rm  techKeyRemoveVerb `cmd:"" help:"Take a key from a person."`
		} `cmd:"" help:"Their keys."`
		Disable techDisableVerb `cmd:"" help:"Let a person in nowhere, at once."`
		Enable  techEnableVerb  `cmd:"" help:"Take that back."`
	} `cmd:"" help:"Technicians."`
	Endpoint struct {
		Label  endpointLabelVerb  `cmd:"" help:"Set and remove labels: KEY=VALUE KEY-"`
		Rename endpointRenameVerb `cmd:"" help:"Give one another name."`
		Move   endpointMoveVerb   `cmd:"" help:"Give one to another client; its sessions stay where they are."`
		Clear  endpointClearVerb  `cmd:"" help:"Let one connect again whose key had a second holder."`
		Revoke endpointRevokeVerb `cmd:"" help:"Put one out of the fleet, at once."`
	} `cmd:"" help:"The fleet."`
	Manual  helpVerb    `cmd:"" name:"help" help:"Show what the verbs are, or what one takes."`
	Version versionVerb `cmd:"" help:"Print the version."`
}

// A runner is a verb with its words filled in.
type runner interface {
	run(ctx context.Context, e *env) error
}

// offline marks the verbs that need no Backend.
type offline interface{ offline() }

// helpFlag ends the parse as soon as --help is seen.
type helpFlag bool

// errHelp says that --help was among the words.
var errHelp = errors.New("help asked for")

// BeforeReset is called by kong where the flag is set.
func (helpFlag) BeforeReset() error { return errHelp }

// parser returns a parser of g whose help is written to help.
func parser(g *grammar, help *bytes.Buffer) (*kong.Kong, error) {
	return kong.New(g,
		kong.Name("caisey"),
		kong.NoDefaultHelp(),
		kong.Writers(help, help),
		kong.Exit(func(int) {}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 80}),
	)
}

// parse returns the verb that the words are, or nil if they asked for help and
// got it.
func (e *env) parse(words []string) (runner, error) {
	if len(words) == 0 {
		return nil, console.Errorf(console.CodeUsage, "see `help`", "there is no verb on the line")
	}
	var g grammar
	k, err := parser(&g, new(bytes.Buffer))
	if err != nil {
		return nil, err
	}
	ctx, err := k.Parse(words)
	var pe *kong.ParseError
	switch {
	case errors.Is(err, errHelp):
		if v, ok := checkHelpOf(words); ok {
			return v, nil
		}
		errors.As(err, &pe)
		return nil, e.help(strings.Fields(pe.Context.Command()))
	case err != nil:
		return nil, usage(words, err)
	}
	v, ok := ctx.Selected().Target.Addr().Interface().(runner)
	if !ok {
		return nil, usage(words, errors.New("more words are needed"))
	}
	return v, nil
}

// usage turns what kong says into an error for a person.
func usage(words []string, err error) error {
	var g grammar
	verb := ""
	if k, kerr := parser(&g, new(bytes.Buffer)); kerr == nil {
		for _, n := range k.Model.Children {
			if n.Name == words[0] {
				verb = n.Name
			}
		}
	}
	if verb == "" {
		return console.Errorf(console.CodeUsage, "see `help`", "%s", err.Error())
	}
	return console.Errorf(console.CodeUsage, "see `help "+verb+"`", "%s: %s", verb, err.Error())
}

type helpVerb struct {
	Verb []string `arg:"" optional:"" help:"The verb to explain."`
}

func (*helpVerb) offline() {}

func (v *helpVerb) run(_ context.Context, e *env) error { return e.help(v.Verb) }

// help prints the help of the verb whose words are path; of all if it is empty.
func (e *env) help(path []string) error {
	var g grammar
	var text bytes.Buffer
	k, err := parser(&g, &text)
	if err != nil {
		return err
	}
	names := path[:0:0]
	node := k.Model.Node
	for _, name := range path {
		if strings.HasPrefix(name, "<") { // kong's names of arguments
			break
		}
		if node = child(node, name); node == nil {
			return console.Errorf(console.CodeUsage, "see `help`", "there is no verb %q", strings.Join(path, " "))
		}
		names = append(names, name)
	}
	ctx, err := kong.Trace(k, names)
	if err != nil {
		return err
	}
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	e.out.data(text.Bytes())
	return nil
}

func child(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

type versionVerb struct{}

func (*versionVerb) offline() {}

func (*versionVerb) run(_ context.Context, e *env) error {
	e.out.data([]byte("caisey " + e.call.Version + "\n"))
	return nil
}
