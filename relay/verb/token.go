package verb

import (
	"context"
	"fmt"
	"time"

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

type tokenLsVerb struct {
	Client string `placeholder:"CLIENT" help:"Only those of this client."`
	JSON   bool   `name:"json" help:"One JSON object a line."`
}

func (v *tokenLsVerb) run(ctx context.Context, e *env) error {
	tokens, err := e.call.Backend.Tokens(ctx)
	if err != nil {
		return err
	}
	t := table{head: []string{"TOKEN", "CLIENT", "USED", "EXPIRES", "BY", "LABELS"}}
	for _, tok := range tokens {
		if v.Client != "" && tok.Client != v.Client {
			continue
		}
		if v.JSON {
			tok.Expires = tok.Expires.UTC()
			if err := e.out.json(tok); err != nil {
				return err
			}
			continue
		}
		t.add(tok.ID, tok.Client, fmt.Sprintf("%d/%d", tok.Used, tok.Uses), tok.Expires.UTC().Format(time.RFC3339), tok.By, dash(labelText(tok.Labels)))
	}
	switch {
	case v.JSON:
	case len(t.rows) == 0:
		e.out.sayf("no token can be used; make one with `token new --client CLIENT`")
	default:
		e.print(t)
	}
	return nil
}

type tokenRevokeVerb struct {
	ID string `arg:"" help:"The token, as in token ls."`
}

func (v *tokenRevokeVerb) run(ctx context.Context, e *env) error {
	if _, err := e.call.Backend.Do(ctx, console.RevokeToken{ID: v.ID}); err != nil {
		return err
	}
	e.out.sayf("token %s enrols nobody any more", v.ID)
	return nil
}
