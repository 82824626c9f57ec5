package check

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caisey/caisey/sessionlog"
)

// A Spec declares a check. An endpoint tells the specs of what it can be asked.
type Spec struct {
	// Name is FAMILY.WHAT, in lower case: "disk.space".
	Name string `json:"name"`
	// Summary says in one line what it tells, or does.
	Summary string `json:"summary"`
	// Effect is read, probe, or change for a fix.
	Effect sessionlog.Effect `json:"effect"`
	// Roles are the kinds of endpoint it is for: dc, db, web, app, file. Empty means
	// any.
	Roles  []string `json:"roles,omitempty"`
	Params []Param  `json:"params,omitempty"`
	// Tables are what its rows stand in, in the order in which they are sent.
	Tables []Table `json:"tables"`
	// Timeout is how long it may take where the asker gives no limit, in seconds.
	Timeout float64 `json:"timeout"`
	// Samples is how long it watches by design, in seconds; 0 if it looks once.
	Samples float64 `json:"samples,omitempty"`
	// MaxRows is the most rows that a table of it has.
	MaxRows int `json:"max_rows"`
	// Source says where the endpoint has the facts from, in one line.
	Source string `json:"source"`
	// Undo says how a change can be taken back, in one line.
	Undo string `json:"undo,omitempty"`
	// Live says that rows come one by one until somebody ends it.
	Live bool `json:"live,omitempty"`
}

// A Table declares rows of one form.
type Table struct {
	// Name is one word; empty if the check has only this one.
	Name    string   `json:"name,omitempty"`
	Columns []Column `json:"columns"`
	// Live is the Spec's, where the table stands in the stream of rows: nobody can wait
	// for its last row before the first is shown.
	Live bool `json:"live,omitempty"`
}

// A Column declares the cells of one position.
type Column struct {
	Name string `json:"name"` // lower_snake_case
	Type Type   `json:"type"`
	// Unit is what a number counts: "ms", "req/s". Types that have a unit of their
	// own leave it empty.
	Unit string `json:"unit,omitempty"`
}

// Type says what a cell is. Any cell may be null: not known.
type Type string

// The types of cells. Beside each stands how it is in JSON.
const (
	Text     Type = "text"     // string
	Int      Type = "int"      // number without fraction
	Number   Type = "number"   // number
	Bool     Type = "bool"     // true or false
	Time     Type = "time"     // string, RFC 3339 with nanoseconds
	Duration Type = "duration" // number of seconds
	Bytes    Type = "bytes"    // number of bytes
	Percent  Type = "percent"  // number, 0 to 100
)

// Valid reports whether t is one of the types.
func (t Type) Valid() bool {
	return slices.Contains([]Type{Text, Int, Number, Bool, Time, Duration, Bytes, Percent}, t)
}

// roles are the kinds of endpoint that checks are for.
var roles = []string{"dc", "db", "web", "app", "file"}

// IsRole reports whether s is a kind of endpoint that checks are for.
func IsRole(s string) bool { return slices.Contains(roles, s) }

// Limits of a Spec: one that comes from an endpoint is data from outside.
const (
	maxParams  = 32
	maxTables  = 16
	maxColumns = 32
	maxText    = 400 // bytes of a summary
	// MaxTimeout is the longest time limit that a Spec may have, in seconds.
	MaxTimeout = 3600
	// MaxRows is the most rows that a table may have.
	MaxRows = 10_000
)

var (
	specName = regexp.MustCompile(`^[a-z][a-z0-9]{0,15}(\.[a-z][a-z0-9]{0,23})$`)
	wordName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
)

// Err reports why s is not a declaration of a check.
func (s Spec) Err() error {
	wrap := func(err error) error { return fmt.Errorf("check %q: %w", s.Name, err) }
	switch {
	case !specName.MatchString(s.Name):
		return wrap(errors.New("the name is not FAMILY.WHAT"))
	case s.Effect != sessionlog.EffectRead && s.Effect != sessionlog.EffectProbe && s.Effect != sessionlog.EffectChange:
		return wrap(fmt.Errorf("effect %q is not read, probe or change", s.Effect))
	case !line(s.Summary) || s.Summary == "" || !line(s.Source) || !line(s.Undo):
		return wrap(errors.New("summary, source and undo are one line each"))
	case s.Timeout <= 0 || s.Timeout > MaxTimeout || s.Samples < 0 || s.Samples > s.Timeout:
		return wrap(errors.New("the time limit is out of bounds"))
	case s.MaxRows < 1 || s.MaxRows > MaxRows:
		return wrap(errors.New("the most rows are out of bounds"))
	case len(s.Params) > maxParams || len(s.Tables) == 0 || len(s.Tables) > maxTables:
		return wrap(errors.New("too many parameters, or tables, or no table"))
	}
	for _, r := range s.Roles {
		if !IsRole(r) {
			return wrap(fmt.Errorf("role %q is not known", r))
		}
	}
	return s.errInside(wrap)
}

func (s Spec) errInside(wrap func(error) error) error {
	seen := map[string]bool{}
	for _, p := range s.Params {
		if err := p.err(); err != nil || seen[p.Name] {
			return wrap(fmt.Errorf("parameter %q: %w", p.Name, errors.Join(err, twice(seen[p.Name]))))
		}
		seen[p.Name] = true
	}
	clear(seen)
	for _, t := range s.Tables {
		if err := t.err(); err != nil || seen[t.Name] {
			return wrap(fmt.Errorf("table %q: %w", t.Name, errors.Join(err, twice(seen[t.Name]))))
		}
		seen[t.Name] = true
	}
	return nil
}

func twice(is bool) error {
	if is {
		return errors.New("it is there twice")
	}
	return nil
}

func (t Table) err() error {
	if t.Name != "" && !wordName.MatchString(t.Name) || len(t.Columns) == 0 || len(t.Columns) > maxColumns {
		return errors.New("the name is not a word, or the columns are too many or none")
	}
	seen := map[string]bool{}
	for _, c := range t.Columns {
		if !wordName.MatchString(c.Name) || !c.Type.Valid() || len(c.Unit) > 16 || !line(c.Unit) || seen[c.Name] {
			return fmt.Errorf("column %q is not one, or is there twice", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// line reports whether s is at most one line of printable text.
func line(s string) bool {
	return len(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd })
}

// Param returns the parameter of that name.
func (s Spec) Param(name string) (Param, bool) {
	i := slices.IndexFunc(s.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return Param{}, false
	}
	return s.Params[i], true
}

// For reports whether the check is for endpoints of that role.
func (s Spec) For(role string) bool { return len(s.Roles) == 0 || slices.Contains(s.Roles, role) }
