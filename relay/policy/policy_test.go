package policy

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
)

// plain is a policy without a gate.
const plain = `@id("technicians-run") permit (principal in Role::"technician", action in Action::"run", resource);
@id("leads-approve") permit (principal in Role::"lead", action == Action::"approve", resource);
`

const gates = plain + `
@id("prod-changes")
forbid (principal, action == Action::"change", resource in Client::"acme")
when { resource.hasTag("tier") && resource.getTag("tier") == "prod" && context.approvals < 1 };
@id("two-for-dc")
forbid (principal, action in [Action::"change", Action::"shell"], resource)
when { resource.name like "dc*" && context.approvals < 2 };
@id("frozen")
forbid (principal, action in Action::"run", resource) when { resource.hasTag("frozen") };
@id("nights")
forbid (principal, action == Action::"shell", resource in Client::"night")
when { context.hour < 22 && context.hour >= 6 };
@id("viewers-probe")
permit (principal in Role::"viewer", action in [Action::"read", Action::"probe"], resource)
when { context.approvals >= 1 };
`

func parse(t testing.TB, text string) *Set {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func endpoint(path, labels string) console.Endpoint {
	client, name, _ := strings.Cut(path, "/")
	ep := console.Endpoint{ID: "E1", Client: client, Name: name, OS: "linux", Labels: map[string]string{}}
	for _, l := range strings.Fields(labels) {
		key, value, _ := strings.Cut(l, "=")
		ep.Labels[key] = value
	}
	return ep
}

func TestDecide(t *testing.T) {
	s := parse(t, gates)
	for _, c := range []struct {
		role      console.Role
		effect    string
		at        string
		labels    string
		hour      int
		approvers string
		want      Decision
	}{
		{"technician", "shell", "acme/app01", "", 12, "", Decision{Allow, 0, []string{"technicians-run"}}},
		{"admin", "change", "acme/app01", "tier=test", 12, "", Decision{Allow, 0, []string{"technicians-run"}}},
		{"viewer", "shell", "acme/app01", "", 12, "", Decision{Refuse, 0, nil}},
		{"", "read", "acme/app01", "", 12, "bo", Decision{Refuse, 0, nil}},
		{"viewer", "read", "acme/app01", "", 12, "", Decision{Hold, 1, []string{"viewers-probe"}}},
		{"viewer", "read", "acme/app01", "", 12, "bo", Decision{Allow, 0, []string{"viewers-probe"}}},
		{"technician", "change", "acme/app01", "tier=prod", 12, "", Decision{Hold, 1, []string{"prod-changes"}}},
		{"technician", "change", "other/app01", "tier=prod", 12, "", Decision{Allow, 0, []string{"technicians-run"}}},
		{"technician", "change", "acme/app01", "tier=prod", 12, "bo", Decision{Allow, 0, []string{"technicians-run"}}},
		{"technician", "change", "acme/app01", "tier=prod", 12, "ana", Decision{Hold, 1, []string{"prod-changes"}}},
		{"technician", "shell", "acme/dc01", "", 12, "", Decision{Hold, 2, []string{"two-for-dc"}}},
		{"technician", "shell", "acme/dc01", "", 12, "bo bo bo ana", Decision{Hold, 2, []string{"two-for-dc"}}},
		{"technician", "shell", "acme/dc01", "", 12, "bo cy", Decision{Allow, 0, []string{"technicians-run"}}},
		{"technician", "change", "acme/dc01", "tier=prod", 12, "", Decision{Hold, 2, []string{"prod-changes", "two-for-dc"}}},
		{"technician", "read", "acme/dc01", "frozen=yes", 12, "bo cy di", Decision{Refuse, 0, []string{"frozen"}}},
		{"technician", "shell", "night/x", "", 12, "bo cy di", Decision{Refuse, 0, []string{"nights"}}},
		{"technician", "shell", "night/x", "", 23, "", Decision{Allow, 0, []string{"technicians-run"}}},
		{"technician", "reboot", "acme/app01", "", 12, "", Decision{Refuse, 0, nil}},
		{"technician", "approve", "acme/app01", "", 12, "", Decision{Refuse, 0, nil}},
	} {
		r := Request{
			Technician: "ana", Role: c.role, Effect: c.effect, Endpoint: endpoint(c.at, c.labels), Command: "x",
			Approvers: strings.Fields(c.approvers), Now: time.Date(2026, 11, 24, c.hour, 0, 0, 0, time.UTC),
		}
		if got := s.Decide(r); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// Without a policy of its own, a relay has fixes wait for somebody else, and nothing
// besides.
func TestDefault(t *testing.T) {
	s := parse(t, Default)
	for effect, want := range map[string]Decision{
		"read": {Allow, 0, []string{"technicians-run"}}, "probe": {Allow, 0, []string{"technicians-run"}},
		"shell": {Allow, 0, []string{"technicians-run"}}, "change": {Hold, 1, []string{"fixes-need-somebody-else"}},
	} {
		r := Request{Technician: "ana", Role: "admin", Effect: effect, Endpoint: endpoint("acme/db01", ""), Command: "x", Now: time.Now()}
		if got := s.Decide(r); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", effect, got)
		}
	}
}

func TestMayApprove(t *testing.T) {
	s := parse(t, gates+`@id("cy-not-at-acme") forbid (principal == Technician::"cy", action == Action::"approve", resource in Client::"acme");`)
	r := Request{Technician: "ana", Role: "admin", Effect: "change", Endpoint: endpoint("acme/dc01", "tier=prod"), Now: time.Now()}
	for name, want := range map[string]Verdict{"ana lead": Refuse, "bo lead": Allow, "bo admin": Allow, "bo technician": Refuse, "cy lead": Refuse, "di ": Refuse} {
		who, role, _ := strings.Cut(name, " ")
		if got := s.MayApprove(r, who, console.Role(role), false); got.Verdict != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestOnCall(t *testing.T) {
	s := parse(t, plain+`
@id("one") forbid (principal, action == Action::"change", resource) when { context.approvals < 1 } unless { principal.onCall };
@id("call") forbid (principal, action == Action::"approve", resource) unless { principal.onCall };`)
	r := Request{Technician: "ana", Role: "lead", Effect: "change", Endpoint: endpoint("acme/dc01", ""), Now: time.Now()}
	if d := s.Decide(r); d.Verdict != Hold || d.Need != 1 {
		t.Errorf("off call: %+v", d)
	}
	r.OnCall = true
	if d := s.Decide(r); d.Verdict != Allow {
		t.Errorf("on call: %+v", d)
	}
	if s.MayApprove(r, "bo", "lead", false).Verdict != Refuse || s.MayApprove(r, "bo", "lead", true).Verdict != Allow {
		t.Error("it is the asker who is asked about, not the approver")
	}
}

// Cedar passes over a rule that fails, even one that forbids. Here it refuses, and
// says which.
func TestErrorsRefuse(t *testing.T) {
	s := parse(t, plain+`@id("overflows") forbid (principal, action, resource) when { context.targets * 9223372036854775807 * 2 < 0 };`)
	got := s.Decide(Request{Technician: "ana", Role: "admin", Effect: "read", Endpoint: endpoint("acme/x", ""), Targets: 2, Now: time.Now()})
	if got.Verdict != Refuse || len(got.Rules) != 1 || !strings.Contains(got.Rules[0], "overflows (failed:") {
		t.Errorf("%+v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`permit (principal, action, resource);`:                                                                             "no name",
		`@id("a") permit (principal, action, resource); @id("a") permit (principal, action, resource);`:                     `another rule "a"`,
		`@id("a") permit (principal, action, resource) when { resource.nme == "x" };`:                                       "nme",
		`@id("a") permit (principal, action, resource) when { context.approvals == "1" };`:                                  `rule "a"`,
		`@id("a") permit (principal, action == Action::"runn", resource);`:                                                  "runn",
		`@id("a") permit (principal == User::"x", action, resource);`:                                                       "User",
		`@id("a") permit (principal, action, resource) when { resource.getTag("tier") == "prod" };`:                         `rule "a"`,
		`@id("a") permit (principal, action`:                                                                                "policy",
		`@id("a") permit (principal, action, resource); nonsense`:                                                           "policy",
		strings.Repeat(" ", maxText+1):                                                                                      "bytes",
		strings.Repeat("permit (principal, action, resource);\n", maxRules+1):                                               "rules",
		"\n\n@id(\"b\") permit (principal, action, resource);\n@id(\"c\") permit (principal, action, resource) when { 1 };": "line 4",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100q: %v, want %q", text, err, want)
		}
	}
	if got := parse(t, gates).Rules(); len(got) != 7 || got[0] != "frozen" {
		t.Errorf("rules %v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Default)
	f.Add(gates)
	f.Add(`@id("a") permit (principal, action, resource) when { if context.targets > 1 then true else resource is Endpoint };`)
	r := Request{Technician: "ana", Role: "viewer", Effect: "change", Endpoint: endpoint("acme/dc01", "tier=prod"), Command: "x", Now: time.Unix(0, 0)}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		d := s.Decide(r)
		if d.Verdict == Allow && len(d.Rules) == 0 || d.Verdict == Hold && (d.Need < 1 || d.Need > MaxApprovals) {
			t.Errorf("%+v", d)
		}
		if s.MayApprove(r, "ana", "admin", true).Verdict != Refuse {
			t.Error("ana approves her own")
		}
		if again, err := Parse(s.Text()); err != nil || !reflect.DeepEqual(again.Decide(r), d) {
			t.Errorf("read again: %v", err)
		}
	})
}

// BenchmarkDecide is one decision over the default policy and over 40 gates.
func BenchmarkDecide(b *testing.B) {
	many := gates
	for i := range 33 {
		many += `@id("g` + string(rune('a'+i%26)) + string(rune('a'+i/26)) + `") forbid (principal, action == Action::"change", resource in Client::"c") when { resource.hasTag("tier") && context.approvals < 1 };` + "\n"
	}
	r := Request{Technician: "ana", Role: "technician", Effect: "shell", Endpoint: endpoint("acme/app01", "tier=prod role=db site=x"), Command: "systemctl status erp", Now: time.Now()}
	for name, text := range map[string]string{"default": Default, "7 rules": gates, "40 rules": many} {
		b.Run(name, func(b *testing.B) {
			s := parse(b, text)
			b.ReportAllocs()
			for b.Loop() {
				if s.Decide(r).Verdict != Allow {
					b.Fatal("not allowed")
				}
			}
		})
	}
}
