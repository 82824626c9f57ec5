package pack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// Lookup returns the text of a pack, and whether there is one of that name.
type Lookup func(name string) (text string, ok bool)

// Expand returns the questions of the pack of that name for an endpoint that can be
// asked specs: those of its lines and of the packs that it names, each once. A pack that
// nobody wrote is that of a role: all that the endpoint can be asked for it without
// arguments, in a moment, and without a change.
func Expand(name string, find Lookup, specs []check.Spec) ([]check.Ask, error) {
	e := expansion{find: find, specs: specs, seen: map[string]bool{}, within: map[string]bool{}}
	if err := e.pack(name); err != nil {
		return nil, err
	}
	return e.asks, nil
}

type expansion struct {
	find   Lookup
	specs  []check.Spec
	asks   []check.Ask
	seen   map[string]bool // questions
	within map[string]bool // packs that are being expanded
}

func (e *expansion) pack(name string) error {
	text, ok := e.find(name)
	if !ok {
		return e.role(name)
	}
	if e.within[name] {
		return fmt.Errorf("pack @%s is within itself", name)
	}
	e.within[name] = true
	defer delete(e.within, name)
	p, err := Parse(text)
	if err != nil {
		return fmt.Errorf("pack @%s: %w", name, err)
	}
	if p.Symptom() {
		return fmt.Errorf("@%s is a symptom, over the roles of a client: sym %s @CLIENT", name, name)
	}
	for _, l := range p.Lines {
		if err := e.add(l); err != nil {
			return err
		}
	}
	return nil
}

// add adds what one line asks.
func (e *expansion) add(l Line) error {
	if l.Pack != "" {
		return e.pack(l.Pack)
	}
	if line := l.Ask.Line(); !e.seen[line] {
		e.seen[line] = true
		e.asks = append(e.asks, l.Ask)
	}
	if len(e.asks) > maxLines {
		return fmt.Errorf("packs ask at most %d questions", maxLines)
	}
	return nil
}

// quick is the longest, in seconds, that a check of a role's own pack watches.
const quick = 5

func (e *expansion) role(name string) error {
	if !check.IsRole(name) {
		return fmt.Errorf("there is no pack @%s", name)
	}
	for _, s := range e.specs {
		if !s.For(name) || s.Effect == sessionlog.EffectChange || s.Live || s.Samples > quick || needs(s) {
			continue
		}
		if err := e.add(Line{Ask: check.Ask{Name: s.Name}}); err != nil {
			return err
		}
	}
	return nil
}

// needs reports whether a check cannot be asked without arguments.
func needs(s check.Spec) bool {
	return slices.ContainsFunc(s.Params, func(p check.Param) bool { return p.Required })
}

// Plan returns what a symptom asks an endpoint that has roles.
func Plan(symptom Pack, roles []string, find Lookup, specs []check.Spec) ([]check.Ask, error) {
	e := expansion{find: find, specs: specs, seen: map[string]bool{}, within: map[string]bool{}}
	for _, l := range symptom.Lines {
		if slices.Contains(roles, l.Role) {
			if err := e.add(l); err != nil {
				return nil, err
			}
		}
	}
	return e.asks, nil
}

// Roles returns the roles that the label "role" of an endpoint gives it: words with
// commas between.
func Roles(labels map[string]string) []string {
	return strings.FieldsFunc(labels["role"], func(r rune) bool { return r == ',' || r == ' ' })
}

// Fill returns args with the thresholds that text, the pack of that name, has for a
// check and that args do not have.
func Fill(text string, s check.Spec, args map[string]string) map[string]string {
	p, err := Parse(text)
	if err != nil {
		return args
	}
	out := maps.Clone(args)
	if out == nil {
		out = map[string]string{}
	}
	for _, l := range p.Lines {
		if l.Ask.Name != s.Name {
			continue
		}
		for k, v := range l.Ask.Args {
			if param, ok := s.Param(k); ok && param.Threshold && args[k] == "" && param.Err(v) == nil {
				out[k] = v
			}
		}
	}
	return out
}
