package pack

import (
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

func spec(name string, change func(*check.Spec)) check.Spec {
	s := check.Spec{Name: name, Effect: sessionlog.EffectRead, Params: []check.Param{
		{Name: "warn", Type: check.ANumber, Default: "15", Threshold: true}, {Name: "host", Type: check.AHost},
	}}
	if change != nil {
		change(&s)
	}
	return s
}

func specs() []check.Spec {
	return []check.Spec{
		spec("ad.repl", func(s *check.Spec) { s.Roles = []string{"dc"} }),
		spec("ad.kcc", func(s *check.Spec) { s.Roles, s.Effect = []string{"dc"}, sessionlog.EffectChange }),
		spec("disk.io", func(s *check.Spec) { s.Samples = 60 }),
		spec("disk.space", nil),
		spec("log.watch", func(s *check.Spec) { s.Live = true }),
		spec("net.probe", func(s *check.Spec) { s.Params[1].Required = true }),
		spec("pg.health", func(s *check.Spec) { s.Roles = []string{"db"} }),
	}
}

func texts(all map[string]string) Lookup {
	return func(name string) (string, bool) { text, ok := all[name]; return text, ok }
}

func lines(asks []check.Ask) string {
	var out []string
	for _, a := range asks {
		out = append(out, a.Line())
	}
	return strings.Join(out, "; ")
}

func TestExpand(t *testing.T) {
	find := texts(map[string]string{
		"base":  "# first of all\ndisk.space   warn=5\n\ndisk.space warn=5\n",
		"erp":   "@base\nnet.probe host=db01\n@db",
		"loop":  "@loop2",
		"loop2": "@loop",
		"bad":   "@base\nrm -rf /",
		"sym":   "app: @base",
	})
	for name, want := range map[string]string{
		"base": "disk.space warn=5",
		"erp":  "disk.space warn=5; net.probe host=db01; disk.space; pg.health",
		"dc":   "ad.repl; disk.space",
		"web":  "disk.space",
	} {
		got, err := Expand(name, find, specs())
		if err != nil || lines(got) != want {
			t.Errorf("@%s: %s, %v", name, lines(got), err)
		}
	}
	for name, want := range map[string]string{
		"loop": "within itself", "bad": "pack @bad: line 2", "none": "no pack @none", "sym": "is a symptom",
	} {
		if _, err := Expand(name, find, specs()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("@%s: %v", name, err)
		}
	}
}

func TestPlan(t *testing.T) {
	p, err := Parse("# the ERP answers nobody\napp: disk.space\ndb: @db\ndb: net.probe host=dc01\n")
	if err != nil || !p.Symptom() || p.Summary != "the ERP answers nobody" {
		t.Fatal(p, err)
	}
	got, err := Plan(p, Roles(map[string]string{"role": "db,file"}), texts(nil), specs())
	if err != nil || lines(got) != "disk.space; pg.health; net.probe host=dc01" {
		t.Error(lines(got), err)
	}
	if got, _ := Plan(p, nil, texts(nil), specs()); got != nil {
		t.Error(got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{
		"app: disk.space\ndisk.space", "@", "@Up", "disk.space warn", "disk.space warn=1 warn=2", "app:disk.space", `disk.space host="x`,
		strings.Repeat("disk.space\n", maxLines+1), strings.Repeat("#", MaxText+1),
	} {
		if p, err := Parse(bad); err == nil {
			t.Errorf("%.40q is %v", bad, p)
		}
	}
}

func TestFill(t *testing.T) {
	const text = "disk.space warn=5 host=x\ndisk.space warn=7\npg.health warn=80"
	s := specs()[3]
	if got := Fill(text, s, map[string]string{"host": "y"}); got["warn"] != "7" || got["host"] != "y" {
		t.Error(got)
	}
	if got := Fill(text, s, map[string]string{"warn": "1"}); got["warn"] != "1" || got["host"] != "" {
		t.Error(got)
	}
	if got := Fill("bad line", s, map[string]string{"warn": "1"}); got["warn"] != "1" {
		t.Error(got)
	}
}

func FuzzParsePack(f *testing.F) {
	f.Add("# x\napp: disk.space warn=5\ndb: @db")
	f.Add("disk.space host=\"a b\"")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err == nil && (len(p.Lines) > maxLines || p.Symptom() && slices.ContainsFunc(p.Lines, func(l Line) bool { return l.Role == "" })) {
			t.Errorf("%q is %v", text, p)
		}
	})
}
