package console

import (
	"errors"
	"slices"
	"testing"
)

var fleet = []Endpoint{
	{Client: "borealis", Name: "dc01", Labels: map[string]string{"role": "dc"}},
	{Client: "acme", Name: "db01", Labels: map[string]string{"role": "db", "tier": "prod"}},
	{Client: "acme", Name: "dc01", Labels: map[string]string{"role": "dc"}},
	{Client: "acme", Name: "dc02", Labels: map[string]string{"role": "dc", "tier": "prod"}},
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		targets []string
		labels  string
		want    []string // nil: an error
	}{
		{nil, "", []string{"acme/db01", "acme/dc01", "acme/dc02", "borealis/dc01"}},
		{[]string{"acme/*"}, "", []string{"acme/db01", "acme/dc01", "acme/dc02"}},
		{[]string{"*/dc0?"}, "", []string{"acme/dc01", "acme/dc02", "borealis/dc01"}},
		{[]string{"dc01"}, "", []string{"acme/dc01", "borealis/dc01"}},
		{[]string{"acme/dc01", "acme/dc*"}, "", []string{"acme/dc01", "acme/dc02"}},
		{[]string{"acme/*"}, "role=dc", []string{"acme/dc01", "acme/dc02"}},
		{[]string{"acme/*"}, "role=dc,tier!=prod", []string{"acme/dc01"}},
		{nil, "tier=", []string{"acme/dc01", "borealis/dc01"}},
		{[]string{"acme/db01", "acme/nothing"}, "", nil},
		{[]string{"acme/db01"}, "role=dc", nil},
		{[]string{"acme/["}, "", nil},
		{[]string{""}, "", nil},
	} {
		sel := Selector{Targets: c.targets}
		if c.labels != "" {
			terms, err := ParseLabels(c.labels)
			if err != nil {
				t.Fatal(err)
			}
			sel.Labels = terms
		}
		got, err := sel.Select(fleet)
		var paths []string
		for _, e := range got {
			paths = append(paths, e.Path())
		}
		var said *Error
		if c.want == nil && !errors.As(err, &said) {
			t.Errorf("%q %q: got %v, %v, want an error for people", c.targets, c.labels, paths, err)
		}
		if c.want != nil && (err != nil || !slices.Equal(paths, c.want)) {
			t.Errorf("%q %q: got %v, %v, want %v", c.targets, c.labels, paths, err, c.want)
		}
	}
}

func TestParseLabels(t *testing.T) {
	got, err := ParseLabels("role=dc,tier!=prod,note=a=b")
	want := []LabelTerm{{Key: "role", Value: "dc"}, {Key: "tier", Value: "prod", Not: true}, {Key: "note", Value: "a=b"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "role", "=dc", "!=dc", "role=dc,,"} {
		if terms, err := ParseLabels(bad); err == nil {
			t.Errorf("%q gave %+v", bad, terms)
		}
	}
}

func TestRoleCovers(t *testing.T) {
	order := []Role{RoleViewer, RoleTechnician, RoleLead, RoleAdmin}
	for i, have := range order {
		for j, want := range order {
			if have.Covers(want) != (i >= j) {
				t.Errorf("%s covers %s: %v", have, want, have.Covers(want))
			}
		}
		if Role("").Covers(have) || have.Covers("god") || have.Covers("") {
			t.Errorf("a role that is none stands beside %s", have)
		}
	}
}
