// Package policy decides who may run what where: allow, refuse, or hold until
// enough others have said yes.
//
// A policy is text in the Cedar language (cedarpolicy.com), over the schema that
// Schema returns. Whatever it says, these hold, because they are Go and not text:
// an error in evaluation refuses; nobody approves what they asked for themselves;
// approvals are counted by person.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// MaxApprovals is the most people that a rule can ask for.
const MaxApprovals = 3

// maxText is the most bytes of a policy's text, and maxRules the most rules in it:
// each is asked for every step.
const (
	maxText  = 64 << 10
	maxRules = 200
)

// A Set is a policy that is ready to decide. It does not change and may be used
// concurrently.
type Set struct {
	text    string
	rules   cedar.PolicyMap
	roles   roles
	actions map[types.EntityUID]types.Entity
}

// Parse reads a policy, and holds it against the schema: a misspelt attribute or a
// comparison of different types is an error, not a rule that never applies. Every
// rule has an @id of its own.
func Parse(text string) (*Set, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("policy has %d bytes; at most %d", len(text), maxText)
	}
	list, err := cedar.NewPolicyListFromBytes("policy", []byte(text))
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if len(list) > maxRules {
		return nil, fmt.Errorf("policy has %d rules; at most %d", len(list), maxRules)
	}
	check, err := validator()
	if err != nil {
		return nil, err
	}
	s := &Set{text: text, rules: cedar.PolicyMap{}, roles: newRoles(), actions: newActions()}
	for _, p := range list {
		if err := s.add(p, check); err != nil {
			return nil, fmt.Errorf("policy, line %d: %w", p.Position().Line, err)
		}
	}
	return s, nil
}

func (s *Set) add(p *cedar.Policy, check *validate.Validator) error {
	id := strings.TrimSpace(string(p.Annotations()["id"]))
	switch {
	case id == "":
		return errors.New(`rule has no name; begin it with @id("NAME")`)
	case s.rules[cedar.PolicyID(id)] != nil:
		return fmt.Errorf("there is another rule %q", id)
	}
	if err := check.Policy(id, (*ast.Policy)(p.AST())); err != nil {
		return fmt.Errorf("rule %q: %w", id, err)
	}
	s.rules[cedar.PolicyID(id)] = p
	return nil
}

func validator() (*validate.Validator, error) {
	var s schema.Schema
	if err := s.UnmarshalCedar([]byte(schemaText)); err != nil {
		return nil, fmt.Errorf("schema of policies: %w", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("schema of policies: %w", err)
	}
	return validate.New(resolved), nil
}

// Text returns what the policy was parsed from.
func (s *Set) Text() string { return s.text }

// Rules returns the names of the rules, sorted.
func (s *Set) Rules() []string {
	var ids []string
	for id := range s.rules {
		ids = append(ids, string(id))
	}
	slices.Sort(ids)
	return ids
}
