package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Ask is a question: which check, with which arguments.
type Ask struct {
	Name string
	Args map[string]string
}

// Line returns the one form of the question as text: what is recorded as the step's
// command, what an approval approves, and what the agent is told:
//
//	NAME KEY=VALUE …
//
// The keys are in order. A value stands as it is, or as a Go string in double quotes
// if there is a space, a quote or anything unprintable in it, or nothing.
func (a Ask) Line() string {
	var b strings.Builder
	b.WriteString(a.Name)
	for _, k := range slices.Sorted(maps.Keys(a.Args)) {
		v := a.Args[k]
		if !bare(v) {
			v = strconv.Quote(v)
		}
		fmt.Fprintf(&b, " %s=%s", k, v)
	}
	return b.String()
}

func bare(v string) bool {
	return v != "" && utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool {
		return r == '"' || unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
}

// Parse is the inverse of Line. It takes no other form.
func Parse(text string) (Ask, error) {
	a, err := Read(text)
	if err != nil {
		return Ask{}, err
	}
	if a.Line() != text {
		return Ask{}, errors.New("the question is not in its one form")
	}
	return a, nil
}

// Read reads a question as people write it: the arguments stand in any order, with any
// space between them, and values in quotes if they like.
func Read(text string) (Ask, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	a := Ask{Name: name, Args: map[string]string{}}
	if !specName.MatchString(name) {
		return Ask{}, fmt.Errorf("%.80q is not the name of a check", name)
	}
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		key, after, ok := strings.Cut(rest, "=")
		if _, twice := a.Args[key]; !ok || twice || !wordName.MatchString(key) {
			return Ask{}, fmt.Errorf("an argument of a check is NAME=VALUE, once: %.80q", rest)
		}
		v, after, err := value(after)
		if err != nil {
			return Ask{}, fmt.Errorf("value of %s: %w", key, err)
		}
		a.Args[key], rest = v, after
	}
	return a, nil
}

func value(s string) (v, after string, err error) {
	if !strings.HasPrefix(s, `"`) {
		v, after, _ = strings.Cut(s, " ")
		return v, after, nil
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", errors.New("the quotes are not closed")
	}
	v, err = strconv.Unquote(quoted)
	return v, strings.TrimPrefix(s[len(quoted):], " "), err
}

// Values returns the arguments as the Spec has them, with its defaults. An error
// names the argument and what it can be.
func (s Spec) Values(args map[string]string) (Values, error) {
	for k := range args {
		if _, ok := s.Param(k); !ok {
			return Values{}, fmt.Errorf("%s has no parameter %q%s", s.Name, k, s.known())
		}
	}
	v := Values{spec: s, text: map[string]string{}, given: map[string]bool{}}
	for _, p := range s.Params {
		text := args[p.Name]
		v.given[p.Name] = text != ""
		if text == "" {
			text = p.Default
		}
		if text == "" && p.Required {
			return Values{}, fmt.Errorf("%s needs %s=…: %s", s.Name, p.Name, p.Summary)
		}
		if err := p.Err(text); err != nil {
			return Values{}, fmt.Errorf("%s of %s is %q, and can be: %w", p.Name, s.Name, text, err)
		}
		v.text[p.Name] = text
	}
	return v, nil
}

func (s Spec) known() string {
	names := make([]string, 0, len(s.Params))
	for _, p := range s.Params {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return ": it has none"
	}
	return ": it has " + strings.Join(names, ", ")
}
