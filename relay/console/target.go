package console

import (
	"path"
	"slices"
	"strings"
)

// A Selector says which endpoints are meant.
type Selector struct {
	// Targets are globs over "client/name" as in path.Match; one without a
	// slash is matched against every client. Empty means all.
	Targets []string
	// Labels must all hold.
	Labels []LabelTerm
}

// A LabelTerm narrows by one label: KEY=VALUE, or KEY!=VALUE if Not.
type LabelTerm struct {
	Key, Value string
	Not        bool
}

// ParseLabels reads KEY=VALUE,KEY!=VALUE.
func ParseLabels(s string) ([]LabelTerm, error) {
	var terms []LabelTerm
	for _, part := range strings.Split(s, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || strings.Trim(key, "!") == "" {
			return nil, Errorf(CodeUsage, "write KEY=VALUE or KEY!=VALUE, with commas between", "label %q is not a condition", part)
		}
		not := strings.HasSuffix(key, "!")
		terms = append(terms, LabelTerm{Key: strings.TrimSuffix(key, "!"), Value: value, Not: not})
	}
	return terms, nil
}

// Select returns those of eps that are meant, by client and name. A target that
// matches nothing is an error, so that a slip never reads as "0 done".
func (s Selector) Select(eps []Endpoint) ([]Endpoint, error) {
	used := make([]bool, len(s.Targets))
	var out []Endpoint
	for _, ep := range eps {
		hit, err := s.match(ep, used)
		if err != nil {
			return nil, err
		}
		if hit && s.labelled(ep) {
			out = append(out, ep)
		}
	}
	for i, t := range s.Targets {
		if !used[i] {
			return nil, Errorf(CodeNotFound, "see `ls` for what there is", "no endpoint matches %q", t)
		}
	}
	if len(out) == 0 {
		return nil, Errorf(CodeNotFound, "see `ls` for what there is", "no endpoint has those labels")
	}
	slices.SortFunc(out, func(a, b Endpoint) int { return strings.Compare(a.Path(), b.Path()) })
	return out, nil
}

// match reports whether any target is ep, and marks those that are in used.
func (s Selector) match(ep Endpoint, used []bool) (bool, error) {
	hit := len(s.Targets) == 0
	for i, t := range s.Targets {
		pattern := t
		if !strings.Contains(t, "/") {
			pattern = "*/" + t
		}
		ok, err := path.Match(pattern, ep.Path())
		if err != nil {
			return false, Errorf(CodeUsage, "a target is CLIENT/ENDPOINT with * and ?", "target %q is malformed", t)
		}
		if ok {
			hit, used[i] = true, true
		}
	}
	return hit, nil
}

func (s Selector) labelled(ep Endpoint) bool {
	for _, t := range s.Labels {
		if (ep.Labels[t.Key] == t.Value) == t.Not {
			return false
		}
	}
	return true
}
