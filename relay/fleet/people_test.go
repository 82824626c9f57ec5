package fleet

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
)

// staffed returns a catalogue with an admin and ana, who is lead of acme.
func staffed(t *testing.T, log sessionlog.Log) (c *Catalogue, print string) {
	t.Helper()
	c = open(t, log, Config{})
	root, _ := sshKey(t)
	line, print := sshKey(t)
	for _, in := range []console.AddTechnician{
		{Name: "root", Role: console.RoleAdmin, Key: root},
		{Name: "ana", Role: console.RoleLead, Clients: []string{"acme"}, Key: line},
	} {
		if err := c.AddTechnician(t.Context(), sessionlog.Relay, in); err != nil {
			t.Fatal(err)
		}
	}
	return c, print
}

func said(err error) console.Code {
	var e *console.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// What is told of people is the same after a restart.
func TestPeople(t *testing.T) {
	log := logtest.NewMemory()
	c, first := staffed(t, log)
	ctx, by := t.Context(), sessionlog.Technician("root")
	check := func(when string, want Technician) {
		t.Helper()
		for _, c := range []*Catalogue{c, open(t, log, Config{})} {
			got, ok := c.Technician("ana")
			var prints []string
			for _, k := range got.Keys {
				prints = append(prints, k.Print)
				if who, ok := c.TechnicianByKey(k.Print); !ok || who.Name != "ana" {
					t.Errorf("%s: key %s is %+v's", when, k.Print, who)
				}
			}
			if !ok || !maps.Equal(got.Grants, want.Grants) || got.Disabled != want.Disabled || len(prints) != len(want.Keys) {
				t.Errorf("%s: ana is %+v", when, got)
			}
		}
	}
	one, two := []Key{{}}, []Key{{}, {}}
	check("at first", Technician{Grants: map[string]console.Role{"acme": console.RoleLead}, Keys: one})
	if err := c.Grant(ctx, by, console.GrantRole{Name: "ana", Role: console.RoleViewer}); err != nil {
		t.Fatal(err)
	}
	all := map[string]console.Role{"acme": console.RoleLead, Everywhere: console.RoleViewer}
	check("granted", Technician{Grants: all, Keys: one})
	if ana, _ := c.Technician("ana"); ana.RoleFor("acme") != console.RoleLead || ana.RoleFor("other") != console.RoleViewer {
		t.Errorf("ana is %q and %q", ana.RoleFor("acme"), ana.RoleFor("other"))
	}
	line, print := sshKey(t)
	if got, err := c.AddKey(ctx, by, console.AddKey{Name: "ana", Key: line}); err != nil || got != print {
		t.Fatal(got, err)
	}
	check("second key", Technician{Grants: all, Keys: two})
	gone, kept := c.KeyGone(first), c.KeyGone(print)
	if err := c.RemoveKey(ctx, by, console.RemoveKey{Name: "ana", Print: first}); err != nil {
		t.Fatal(err)
	}
	<-gone
	check("first key removed", Technician{Grants: all, Keys: one})
	if _, ok := c.TechnicianByKey(first); ok {
		t.Error("the removed key is still somebody's")
	}
	if err := c.Disable(ctx, by, console.DisableTechnician{Name: "ana"}); err != nil {
		t.Fatal(err)
	}
	<-kept
	<-c.KeyGone(print)
	check("disabled", Technician{Grants: all, Keys: one, Disabled: true})
	if ana, _ := c.Technician("ana"); ana.RoleFor("acme") != "" {
		t.Error("who is disabled has a role")
	}
	if err := c.Enable(ctx, by, console.EnableTechnician{Name: "ana"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Grant(ctx, by, console.GrantRole{Name: "ana", Clients: []string{"acme"}}); err != nil {
		t.Fatal(err)
	}
	delete(all, "acme")
	check("role taken", Technician{Grants: all, Keys: one})
}

func TestPeopleRefuse(t *testing.T) {
	c, print := staffed(t, logtest.NewMemory())
	ctx, by := t.Context(), sessionlog.Technician("root")
	root, _ := c.Technician("root")
	addKey := func(name, line string) error {
		_, err := c.AddKey(ctx, by, console.AddKey{Name: name, Key: line})
		return err
	}
	fresh, _ := sshKey(t)
	for what, err := range map[string]error{
		"a key that is root's":     addKey("ana", root.Keys[0].Line),
		"an ECDSA key":             addKey("ana", ecdsaLine(t)),
		"a key with options":       addKey("ana", `from="10.0.0.0/8",restrict `+fresh),
		"nobody's key":             addKey("nobody", fresh),
		"somebody else's key":      c.RemoveKey(ctx, by, console.RemoveKey{Name: "ana", Print: root.Keys[0].Print}),
		"a role that is none":      c.Grant(ctx, by, console.GrantRole{Name: "ana", Role: "god"}),
		"a client that is none":    c.Grant(ctx, by, console.GrantRole{Name: "ana", Role: console.RoleLead, Clients: []string{"../x"}}),
		"the last admin":           c.Disable(ctx, by, console.DisableTechnician{Name: "root"}),
		"the last admin's key":     c.RemoveKey(ctx, by, console.RemoveKey{Name: "root", Print: root.Keys[0].Print}),
		"the last admin's role":    c.Grant(ctx, by, console.GrantRole{Name: "root", Role: console.RoleLead}),
		"the last admin's role, 2": c.Grant(ctx, by, console.GrantRole{Name: "root"}),
	} {
		if said(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if ana, _ := c.Technician("ana"); len(ana.Keys) != 1 || ana.Keys[0].Print != print {
		t.Errorf("ana is %+v", ana)
	}
	// What is handed out is a copy.
	ana, _ := c.Technician("ana")
	ana.Grants["borealis"] = console.RoleAdmin
	if again, _ := c.Technician("ana"); again.RoleFor("borealis") != "" {
		t.Error("a reader changed the catalogue")
	}
}

func TestEndpointsChange(t *testing.T) {
	log := logtest.NewMemory()
	c := open(t, log, Config{})
	ctx, by := t.Context(), sessionlog.Technician("root")
	hash, key := secret(), agentKey(t)
	if _, err := c.NewToken(ctx, by, hash, console.NewToken{Client: "acme", Uses: 9, Labels: map[string]string{"old": "1", "role": "x"}}); err != nil {
		t.Fatal(err)
	}
	ep, err := c.Redeem(ctx, Redemption{Hash: hash, Key: key, Name: "db01"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Redeem(ctx, Redemption{Hash: hash, Key: agentKey(t), Name: "app01"}); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		c.Label(ctx, by, console.LabelEndpoint{Endpoint: ep.ID, Set: map[string]string{"role": "db"}, Remove: []string{"old"}}),
		c.Rename(ctx, by, console.RenameEndpoint{Endpoint: ep.ID, Name: "db02"}),
		c.Move(ctx, by, console.MoveEndpoint{Endpoint: ep.ID, Client: "borealis"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Catalogue{c, open(t, log, Config{})} {
		got, ok := c.EndpointByKey(key)
		if !ok || got.Path() != "borealis/db02" || !maps.Equal(got.Labels, map[string]string{"role": "db"}) {
			t.Errorf("the endpoint is %+v", got)
		}
	}
	other := c.Endpoints()[slices.IndexFunc(c.Endpoints(), func(e Endpoint) bool { return e.Name == "app01" })]
	for what, err := range map[string]error{
		"a name that is taken":  c.Rename(ctx, by, console.RenameEndpoint{Endpoint: ep.ID, Name: "db02"}),
		"a name that is none":   c.Rename(ctx, by, console.RenameEndpoint{Endpoint: ep.ID, Name: "../x"}),
		"a client that is none": c.Move(ctx, by, console.MoveEndpoint{Endpoint: other.ID, Client: "fleet/.."}),
		"a label that is none":  c.Label(ctx, by, console.LabelEndpoint{Endpoint: ep.ID, Set: map[string]string{"a b": "c"}}),
		"nothing":               c.Revoke(ctx, by, console.RevokeEndpoint{Endpoint: "E0"}),
	} {
		if said(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := c.Revoke(ctx, by, console.RevokeEndpoint{Endpoint: ep.ID}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Catalogue{c, open(t, log, Config{})} {
		if _, ok := c.EndpointByKey(key); ok {
			t.Error("a revoked key is still an endpoint's")
		}
		var bad *TokenError
		if _, err := c.Redeem(ctx, Redemption{Hash: hash, Key: key, Name: "again"}); !errors.As(err, &bad) {
			t.Errorf("a revoked key was enrolled again: %v", err)
		}
	}
	tokens := c.Tokens()
	if len(tokens) != 1 || tokens[0].Used != 2 || tokens[0].By != "root" {
		t.Fatalf("tokens %+v", tokens)
	}
	if err := c.RevokeToken(ctx, by, tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Catalogue{c, open(t, log, Config{})} {
		var bad *TokenError
		if _, err := c.Redeem(ctx, Redemption{Hash: hash, Key: agentKey(t), Name: "late"}); !errors.As(err, &bad) || len(c.Tokens()) != 0 {
			t.Errorf("a revoked token enrols: %v, %+v", err, c.Tokens())
		}
	}
}
