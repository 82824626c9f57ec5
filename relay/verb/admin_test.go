package verb

import (
	"reflect"
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
)

// What each verb asks of the relay.
func TestAdminVerbs(t *testing.T) {
	labels := map[string]string{"role": "db", "site": "a=b"}
	for line, want := range map[string]console.Intent{
		"token revoke T1": console.RevokeToken{ID: "T1"},
		"tech role bo lead --client acme --client borealis": console.GrantRole{Name: "bo", Role: console.RoleLead, Clients: []string{"acme", "borealis"}},
		"tech role bo none":                        console.GrantRole{Name: "bo"},
		"tech key add bo --key " + testKey:         console.AddKey{Name: "bo", Key: testKey},
		"tech key rm bo SHA256:abc":                console.RemoveKey{Name: "bo", Print: "SHA256:abc"},
		"tech disable bo --why 'left the company'": console.DisableTechnician{Name: "bo", Why: "left the company"},
		"tech enable bo":                           console.EnableTechnician{Name: "bo"},
		"endpoint label db01 role=db site=a=b old-": console.LabelEndpoint{
			Endpoint: "E0", Set: labels, Remove: []string{"old"},
		},
		"endpoint rename db01 db02":                 console.RenameEndpoint{Endpoint: "E0", Name: "db02"},
		"endpoint move acme/db01 borealis":          console.MoveEndpoint{Endpoint: "E0", Client: "borealis"},
		"endpoint clear acme/db01":                  console.ClearEndpoint{Endpoint: "E0"},
		"endpoint revoke acme/db01 --why 'is sold'": console.RevokeEndpoint{Endpoint: "E0", Why: "is sold"},
	} {
		w := newWorld(t, "acme/db01", "acme/app01")
		w.eps[0].ID = "E0"
		got := w.say(t, line)
		if got.code != 0 || len(w.intents) != 1 || !reflect.DeepEqual(w.intents[0], want) {
			t.Errorf("%s: %+v asks for %+v, want %+v", line, got, w.intents, want)
		}
	}
}

func TestAdminVerbsRefuse(t *testing.T) {
	for line, want := range map[string]string{
		"endpoint rename acme/* x":       `"acme/*" means 2 endpoints`,
		"endpoint revoke acme/no":        `no endpoint matches "acme/no"`,
		"endpoint label db01 role":       `"role" is no label`,
		"tech role bo god":               "must be one of",
		"tech key add bo --key nonsense": "cannot read your file",
	} {
		w := newWorld(t, "acme/db01", "acme/app01")
		if got := w.say(t, line); got.code == 0 || !strings.Contains(got.err, want) || len(w.intents) != 0 {
			t.Errorf("%s: %+v, %v", line, got, w.intents)
		}
	}
}

func TestAdminLists(t *testing.T) {
	w := newWorld(t)
	if got := w.say(t, "tech ls"); got.code != 0 || got.out != "" {
		t.Errorf("nobody: %+v", got)
	}
	w.people = []console.Technician{
		{Name: "ana", Grants: map[string]console.Role{"*": "viewer", "acme": "lead"}, Keys: []string{"SHA256:a", "SHA256:b"}},
		{Name: "bo\x1b[2J", Disabled: true, Why: "left"},
	}
	w.tokens = []console.Token{
		{ID: "T1", Client: "acme", Uses: 5, Used: 2, Expires: start, By: "ana", Labels: map[string]string{"role": "db"}},
		{ID: "T2", Client: "borealis", Uses: 1, Expires: start, By: "ana"},
	}
	people := w.say(t, "tech ls").out
	for _, want := range []string{"*=viewer,acme=lead", "SHA256:a SHA256:b", "disabled"} {
		if !strings.Contains(people, want) {
			t.Errorf("tech ls has no %q:\n%s", want, people)
		}
	}
	if strings.Contains(people, "\x1b") {
		t.Error("a name reached the terminal raw")
	}
	if tokens := w.say(t, "token ls --client acme").out; !strings.Contains(tokens, "2/5") || !strings.Contains(tokens, "role=db") || strings.Contains(tokens, "T2") {
		t.Errorf("token ls:\n%s", tokens)
	}
	if got := w.say(t, "tech ls --json").out; strings.Count(got, "\n") != 2 || !strings.Contains(got, `"disabled":true,"why":"left"`) {
		t.Errorf("tech ls --json:\n%s", got)
	}
	if got := w.say(t, "token ls --json").out; !strings.Contains(got, `"id":"T2","client":"borealis","uses":1,"used":0`) {
		t.Errorf("token ls --json:\n%s", got)
	}
}
