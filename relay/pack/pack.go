// Package pack reads what a team asks first: packs of checks, symptoms over a client's
// roles, and thresholds. They are text files that a team keeps; docs/checks.md says how
// they are written.
package pack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caisey/caisey/sessionlog/check"
)

// Thresholds is the name of the pack whose lines are thresholds, for whoever does not
// give any.
const Thresholds = "thresholds"

// Limits of a pack.
const (
	MaxText  = 32 << 10 // bytes
	maxLines = 200
)

// A Line is one line of a pack: a check, or another pack, for the endpoints of a role.
type Line struct {
	Role string // empty: wherever the pack is asked
	Ask  check.Ask
	Pack string // of another; then Ask is empty
}

// A Pack is what its text says.
type Pack struct {
	Summary string // the first remark
	Lines   []Line
}

// Symptom reports whether the pack is a plan over roles.
func (p Pack) Symptom() bool {
	return slices.ContainsFunc(p.Lines, func(l Line) bool { return l.Role != "" })
}

var name = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// ErrName reports why s is not the name of a pack.
func ErrName(s string) error {
	if name.MatchString(s) {
		return nil
	}
	return fmt.Errorf("%.80q is not the name of a pack: use a-z, 0-9 and dashes, at most 32 in all", s)
}

// Parse reads a pack. An error names the line.
//
//	# what to look at first
//	time.skew
//	@base
//	net.probe host=db01 ports=5432
//
// Each line is a check with arguments, or @ and the name of another pack. In a symptom
// the role of the endpoints stands before it: "app: svc.failed".
func Parse(text string) (Pack, error) {
	var p Pack
	if len(text) > MaxText {
		return p, fmt.Errorf("a pack has at most %d bytes", MaxText)
	}
	n := 0
	for raw := range strings.Lines(text) {
		n++
		line := strings.TrimSpace(raw)
		if remark, ok := strings.CutPrefix(line, "#"); ok {
			if p.Summary == "" {
				p.Summary = strings.TrimSpace(remark)
			}
			continue
		}
		if line == "" {
			continue
		}
		l, err := parseLine(line)
		if err != nil {
			return Pack{}, fmt.Errorf("line %d: %w", n, err)
		}
		if p.Lines = append(p.Lines, l); len(p.Lines) > maxLines {
			return Pack{}, fmt.Errorf("a pack has at most %d lines", maxLines)
		}
	}
	if p.Symptom() && slices.ContainsFunc(p.Lines, func(l Line) bool { return l.Role == "" }) {
		return Pack{}, fmt.Errorf("in a symptom every line begins with a role: app: svc.failed")
	}
	return p, nil
}

var role = regexp.MustCompile(`^([a-z][a-z0-9-]{0,31}):\s+(.*)$`)

func parseLine(line string) (l Line, err error) {
	if m := role.FindStringSubmatch(line); m != nil {
		l.Role, line = m[1], m[2]
	}
	if other, ok := strings.CutPrefix(line, "@"); ok {
		l.Pack = other
		return l, ErrName(other)
	}
	l.Ask, err = check.Read(line)
	return l, err
}
