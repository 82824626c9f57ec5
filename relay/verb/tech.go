package verb

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

type techAddVerb struct {
	Name   string   `arg:"" help:"The person's short name."`
	Rest   []string `arg:"" optional:"" hidden:"" help:"The rest of a key that lost its quotes on the way."`
	Role   string   `required:"" enum:"viewer,technician,lead,admin" placeholder:"ROLE" help:"viewer, technician, lead or admin."`
	Client []string `placeholder:"CLIENT" help:"A client where the role holds; may be repeated. Without it, everywhere."`
	Key    string   `required:"" placeholder:"KEY" help:"The public SSH key: a file, - for standard input, or the key itself."`
}

func (v *techAddVerb) run(ctx context.Context, e *env) error {
	key, err := e.readKey("tech add", v.Key, v.Rest)
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
	e.out.sayf("%s may log in as %s %s", v.Name, v.Role, where(v.Client))
	return nil
}

// where says where a role holds.
func where(clients []string) string {
	if len(clients) == 0 {
		return "everywhere"
	}
	return "for " + strings.Join(clients, ", ")
}

type techLsVerb struct {
	JSON bool `name:"json" help:"One JSON object a line."`
}

func (v *techLsVerb) run(ctx context.Context, e *env) error {
	people, err := e.call.Backend.Technicians(ctx)
	if err != nil {
		return err
	}
	if v.JSON {
		for _, p := range people {
			for client, until := range p.OnCall {
				p.OnCall[client] = until.UTC()
			}
			if err := e.out.json(p); err != nil {
				return err
			}
		}
		return nil
	}
	if len(people) == 0 {
		e.out.sayf("there is nobody whom you administer")
		return nil
	}
	t := table{head: []string{"TECHNICIAN", "STATE", "ROLES", "ON CALL", "KEYS"}}
	for _, p := range people {
		state := "enabled"
		if p.Disabled {
			state = "disabled"
		}
		t.add(p.Name, state, dash(grantText(p.Grants)), dash(onCallText(p.OnCall)), dash(strings.Join(p.Keys, " ")))
	}
	e.print(t)
	return nil
}

// grantText writes roles as *=viewer,acme=lead.
func grantText(grants map[string]console.Role) string {
	var out []string
	for _, client := range slices.Sorted(maps.Keys(grants)) {
		out = append(out, client+"="+string(grants[client]))
	}
	return strings.Join(out, ",")
}

type techRoleVerb struct {
	Name   string   `arg:"" help:"The person."`
	Role   string   `arg:"" enum:"viewer,technician,lead,admin,none" help:"viewer, technician, lead, admin, or none."`
	Client []string `placeholder:"CLIENT" help:"A client where it holds; may be repeated. Without it, everywhere."`
}

func (v *techRoleVerb) run(ctx context.Context, e *env) error {
	in := console.GrantRole{Name: v.Name, Role: console.Role(v.Role), Clients: v.Client}
	if v.Role == "none" {
		in.Role = ""
	}
	if _, err := e.call.Backend.Do(ctx, in); err != nil {
		return err
	}
	e.out.sayf("%s is %s %s from now on", v.Name, v.Role, where(v.Client))
	return nil
}

// onCallText writes until when somebody is on call as acme=2026-11-24T18:00Z.
func onCallText(clients map[string]time.Time) string {
	var out []string
	for _, client := range slices.Sorted(maps.Keys(clients)) {
		out = append(out, client+"="+clients[client].UTC().Format("2006-01-02T15:04Z"))
	}
	return strings.Join(out, ",")
}

type techOncallVerb struct {
	Name   string   `arg:"" help:"The person: a lead or an admin of the client."`
	Client string   `required:"" placeholder:"CLIENT" help:"The client."`
	For    duration `placeholder:"DURATION" help:"For how long from now, such as 8h; at most 31d."`
	Off    bool     `help:"Not any more."`
}

func (v *techOncallVerb) run(ctx context.Context, e *env) error {
	if v.Off == (v.For != 0) {
		return console.Errorf(console.CodeUsage, "", "tech oncall: write either --for DURATION or --off")
	}
	in := console.SetOnCall{Name: v.Name, Client: v.Client, For: time.Duration(v.For), Off: v.Off}
	if _, err := e.call.Backend.Do(ctx, in); err != nil {
		return err
	}
	if v.Off {
		e.out.sayf("%s is not on call for %s any more", v.Name, v.Client)
	} else {
		e.out.sayf("%s is on call for %s until %s", v.Name, v.Client, e.call.Now().Add(time.Duration(v.For)).UTC().Format("2006-01-02 15:04 MST"))
	}
	return nil
}

type techKeyAddVerb struct {
	Name string   `arg:"" help:"The person."`
	Rest []string `arg:"" optional:"" hidden:"" help:"The rest of a key that lost its quotes on the way."`
	Key  string   `required:"" placeholder:"KEY" help:"The public SSH key: a file, - for standard input, or the key itself."`
}

func (v *techKeyAddVerb) run(ctx context.Context, e *env) error {
	key, err := e.readKey("tech key add", v.Key, v.Rest)
	if err != nil {
		return err
	}
	rcpt, err := e.call.Backend.Do(ctx, console.AddKey{Name: v.Name, Key: key})
	if err != nil {
		return err
	}
	e.out.data([]byte(vt.Plain(rcpt.ID) + "\n"))
	e.out.sayf("%s may log in with this key, too", v.Name)
	return nil
}

type techKeyRemoveVerb struct {
	Name        string `arg:"" help:"The person."`
	Fingerprint string `arg:"" help:"The key's, SHA256:…, as in tech ls."`
}

func (v *techKeyRemoveVerb) run(ctx context.Context, e *env) error {
	if _, err := e.call.Backend.Do(ctx, console.RemoveKey{Name: v.Name, Print: v.Fingerprint}); err != nil {
		return err
	}
	e.out.sayf("that key lets nobody in; connections that it proved are cut")
	return nil
}

type techDisableVerb struct {
	Name string `arg:"" help:"The person."`
	Why  string `placeholder:"TEXT" help:"Why, for the fleet's log."`
}

func (v *techDisableVerb) run(ctx context.Context, e *env) error {
	if _, err := e.call.Backend.Do(ctx, console.DisableTechnician{Name: v.Name, Why: v.Why}); err != nil {
		return err
	}
	e.out.sayf("%s is let in nowhere; connections are cut and sessions sealed", v.Name)
	return nil
}

type techEnableVerb struct {
	Name string `arg:"" help:"The person."`
}

func (v *techEnableVerb) run(ctx context.Context, e *env) error {
	if _, err := e.call.Backend.Do(ctx, console.EnableTechnician{Name: v.Name}); err != nil {
		return err
	}
	e.out.sayf("%s may log in again", v.Name)
	return nil
}
