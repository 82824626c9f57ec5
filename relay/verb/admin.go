package verb

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

type tokenNewVerb struct {
	Client string            `required:"" placeholder:"CLIENT" help:"The client that the endpoints belong to."`
	Label  map[string]string `mapsep:"none" placeholder:"KEY=VALUE" help:"A label of the endpoints; may be repeated."`
	Uses   uint              `default:"1" help:"How many endpoints it enrols."`
	TTL    duration          `name:"ttl" default:"1h" help:"How long it can be used."`
}

func (v *tokenNewVerb) run(ctx context.Context, e *env) error {
	if v.Uses == 0 || v.TTL == 0 {
		return console.Errorf(console.CodeUsage, "leave out --uses and --ttl for one endpoint within the hour",
			"token new: a token of no use")
	}
	in := console.NewToken{Client: v.Client, Labels: v.Label, Uses: int(v.Uses), TTL: time.Duration(v.TTL)}
	rcpt, err := e.call.Backend.Do(ctx, in)
	if err != nil {
		return err
	}
	token := vt.Plain(rcpt.Token)
	e.out.data([]byte(token + "\n"))
	e.out.sayf("this token enrols %s of %s for %s and is shown only here; on the endpoint:",
		count(int(v.Uses), "endpoint"), v.Client, short(time.Duration(v.TTL)))
	e.out.aside([]byte("caisey-agent enroll " + token + "\n"))
	return nil
}

// count returns n and the noun, in the plural where it is.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

type techAddVerb struct {
	Name   string   `arg:"" help:"The person's short name."`
	Rest   []string `arg:"" optional:"" hidden:"" help:"The rest of a key that lost its quotes on the way."`
	Role   string   `required:"" enum:"viewer,technician,lead,admin" placeholder:"ROLE" help:"viewer, technician, lead or admin."`
	Client []string `placeholder:"CLIENT" help:"A client where the role holds; may be repeated. Without it, everywhere."`
	Key    string   `required:"" placeholder:"KEY" help:"The public SSH key: a file, - for standard input, or the key itself."`
}

func (v *techAddVerb) run(ctx context.Context, e *env) error {
	key, err := v.key(e)
	if err != nil {
		return err
	}
	in := console.AddTechnician{Name: v.Name, Role: console.Role(v.Role), Clients: v.Client, Key: key}
	rcpt, err := e.call.Backend.Do(ctx, in)
	if err != nil {
		return err
	}
	if rcpt.ID != "" {
		e.out.data([]byte(vt.Plain(rcpt.ID) + "\n"))
	}
	where := "everywhere"
	if len(v.Client) > 0 {
		where = "for " + strings.Join(v.Client, ", ")
	}
	e.out.sayf("%s may log in as %s %s", v.Name, v.Role, where)
	return nil
}

// maxKey is the most bytes a key file may have.
const maxKey = 16 << 10

// key returns the one line of the public key that --key means.
func (v *techAddVerb) key(e *env) (string, error) {
	text := strings.Join(append([]string{v.Key}, v.Rest...), " ")
	switch {
	case v.Key == "-" && len(v.Rest) == 0:
		b, err := io.ReadAll(io.LimitReader(e.call.Stdin, maxKey))
		if err != nil {
			return "", fmt.Errorf("read key from standard input: %w", err)
		}
		text = string(b)
	case isKeyType(text) && strings.Contains(text, " "):
	case len(v.Rest) > 0:
		return "", console.Errorf(console.CodeUsage, "see `help tech`", "tech add: unexpected argument %s", v.Rest[0])
	case !e.call.Files:
		return "", console.Errorf(console.CodeUsage, "send it with --key - < FILE",
			"tech add: the relay cannot read your file %q", v.Key)
	default:
		b, err := readKeyFile(v.Key)
		if err != nil {
			return "", console.Errorf(console.CodeUsage, "name a readable file", "tech add: %v", err)
		}
		text = string(b)
	}
	return checkKey(text)
}

// isKeyType reports whether s begins as the key itself does.
func isKeyType(s string) bool {
	for _, p := range []string{"ssh-", "sk-ssh-", "ecdsa-", "sk-ecdsa-"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func readKeyFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKey))
}

// checkKey returns the public key in text as one line without options.
func checkKey(text string) (string, error) {
	if strings.Contains(text, "PRIVATE KEY") {
		return "", console.Errorf(console.CodeUsage, "give the file that ends in .pub, and keep this one to yourself",
			"tech add: that is a private key")
	}
	key, comment, _, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", console.Errorf(console.CodeUsage, "it looks like: ssh-ed25519 AAAA… NAME",
			"tech add: that is no public SSH key")
	}
	if strings.TrimSpace(string(rest)) != "" {
		return "", console.Errorf(console.CodeUsage, "add one key at a time", "tech add: there is more than one key")
	}
	if t := key.Type(); t != ssh.KeyAlgoED25519 && t != ssh.KeyAlgoSKED25519 {
		return "", console.Errorf(console.CodeUsage, "make one with `ssh-keygen -t ed25519`",
			"tech add: keys of type %s are not taken", t)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	if comment != "" {
		line += " " + vt.Plain(comment)
	}
	return line, nil
}
