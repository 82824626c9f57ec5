// Package policy decides what an endpoint lets its relay do, whatever the relay says.
//
// The policy is a small text file that the endpoint's own administrator writes. A
// line says one thing; an empty one, and one that begins with #, says nothing:
//
//	effects read probe            what a step may do: read, probe, shell, change; or none
//	read-only                     the same as: effects read probe
//	hours mon-fri 08:00-18:00     when steps may begin, by the clock on the wall
//	never *mkfs*                  command lines that are refused
//
// Several lines of effects let through what each of them allows, several hours what
// any of them does. What a File cannot read or understand refuses everything.
//
// Never is a tripwire and no boundary: what a command line does can be written in
// countless ways. Effects are a boundary as far as it is this machine that decides
// what a step can do.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The effects that a step can have, from harmless to not.
const (
	Read   = "read"
	Probe  = "probe"
	Shell  = "shell"
	Change = "change"
)

// None stands where no effect is allowed, in a file and in what a relay is told.
const None = "none"

// effects is every effect, in order.
func effects() []string { return []string{Read, Probe, Shell, Change} }

// A Policy is what a file says. It does not change. The zero value allows every
// effect at any time.
type Policy struct {
	effects []effectsLine
	hours   []hoursLine
	nevers  []neverLine
}

// A line is where something stands, as it was written.
type line struct {
	n    int
	text string
}

type effectsLine struct {
	line
	allowed []string
}

type hoursLine struct {
	line
	hours hours
}

type neverLine struct {
	line
	glob []rune // folded
}

// A Refusal says why a step may not be.
type Refusal struct {
	// Line is that of the file, from 1; 0 if it is no line that refuses.
	Line int
	// Text is that line, or what is wrong.
	Text string
}

// Error is one line for people.
func (r *Refusal) Error() string {
	if r.Line == 0 {
		return "the endpoint's own policy: " + r.Text
	}
	return fmt.Sprintf("the endpoint's own policy, line %d: %s", r.Line, r.Text)
}

// Check returns a *Refusal if a step of that effect and command may not begin now.
// The weekday and the time of day are those of now's location.
func (p *Policy) Check(effect, command string, now time.Time) error {
	if !slices.Contains(effects(), effect) {
		return &Refusal{Text: fmt.Sprintf("the effect %.40q is not known here", effect)}
	}
	for _, l := range p.effects {
		if !slices.Contains(l.allowed, effect) {
			return l.refuse()
		}
	}
	if len(p.hours) > 0 && !slices.ContainsFunc(p.hours, func(l hoursLine) bool { return l.hours.contain(now) }) {
		return p.hours[0].refuse()
	}
	if len(p.nevers) == 0 {
		return nil
	}
	folded := fold(command)
	for _, l := range p.nevers {
		if match(l.glob, folded) {
			return l.refuse()
		}
	}
	return nil
}

// Effects returns the effects that are allowed, whatever the hour; [None] alone if
// there is none.
func (p *Policy) Effects() []string {
	out := slices.DeleteFunc(effects(), func(effect string) bool {
		return slices.ContainsFunc(p.effects, func(l effectsLine) bool { return !slices.Contains(l.allowed, effect) })
	})
	if len(out) == 0 {
		return []string{None}
	}
	return out
}

// String says in one line what the policy is.
func (p *Policy) String() string {
	parts := []string{"effects " + strings.Join(p.Effects(), " ")}
	for _, l := range p.hours {
		parts = append(parts, l.text)
	}
	for _, l := range p.nevers {
		parts = append(parts, l.text)
	}
	return strings.Join(parts, "; ")
}

// maxTold is how many bytes of a line are told to whoever is refused.
const maxTold = 200

func (l line) refuse() *Refusal {
	text := l.text
	if len(text) > maxTold {
		text = strings.ToValidUTF8(text[:maxTold], "") + "…"
	}
	return &Refusal{Line: l.n, Text: text}
}
