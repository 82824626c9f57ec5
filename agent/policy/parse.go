package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile is the most bytes of a file.
const maxFile = 64 << 10

// errSilent says that a file has no line that says something. It may be one that is
// just being written, so it is not taken for one that allows everything.
var errSilent = errors.New("it says nothing; write `effects read probe shell change` to allow everything")

// Parse returns the policy that a text is. Its error names the line.
func Parse(text string) (*Policy, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("it has %d bytes, over the limit of %d", len(text), maxFile)
	}
	p, said := &Policy{}, false
	text = strings.TrimPrefix(text, "\ufeff") // as some editors begin a file
	n := 0
	for raw := range strings.Lines(text) {
		n++
		l := line{n, strings.TrimSpace(raw)}
		if l.text == "" || strings.HasPrefix(l.text, "#") {
			continue
		}
		if err := p.add(l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		said = true
	}
	if !said {
		return nil, errSilent
	}
	return p, nil
}

// add takes one line that says something.
func (p *Policy) add(l line) error {
	if !utf8.ValidString(l.text) || strings.ContainsFunc(l.text, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }) {
		return errors.New("it has characters that cannot be shown")
	}
	word, rest := l.text, ""
	if i := strings.IndexAny(l.text, " \t"); i >= 0 {
		word, rest = l.text[:i], strings.TrimSpace(l.text[i:])
	}
	switch strings.ToLower(word) {
	case "effects":
		allowed, err := parseEffects(rest)
		p.effects = append(p.effects, effectsLine{l, allowed})
		return err
	case "read-only":
		if rest != "" {
			return fmt.Errorf("read-only stands alone, without %.40q", rest)
		}
		p.effects = append(p.effects, effectsLine{l, []string{Read, Probe}})
		return nil
	case "hours":
		h, err := parseHours(rest)
		p.hours = append(p.hours, hoursLine{l, h})
		return err
	case "never":
		if rest == "" {
			return errors.New("never what? write a glob, such as *mkfs*")
		}
		p.nevers = append(p.nevers, neverLine{l, fold(rest)})
		return nil
	}
	return fmt.Errorf("%.40q is not effects, read-only, hours or never", word)
}

func parseEffects(s string) ([]string, error) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) == 0 {
		return nil, errors.New("effects need at least one of read, probe, shell, change; or none")
	}
	if len(words) == 1 && words[0] == None {
		return nil, nil
	}
	for _, w := range words {
		if !slices.Contains(effects(), w) {
			return nil, fmt.Errorf("%.40q is not read, probe, shell or change", w)
		}
	}
	return words, nil
}
