package tui

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caisey/caisey/relay/console"
)

// filters are the words of a search that narrow it instead of being found.
var filters = []string{"client:", "by:", "since:", "until:"}

// A findQuery is what a person typed to find, understood.
type findQuery struct {
	console.TextQuery
	chips []string // what the filters mean, for people
}

// parseFind reads a line such as `client:acme since:2h access denied`. Words that
// begin with the name of a filter are filters; with a backslash or a quote before
// it, such a word is text. All else is text as it was typed.
func parseFind(line string, now time.Time) (findQuery, error) {
	var q findQuery
	var text strings.Builder
	for line != "" {
		if r, size := utf8.DecodeRuneInString(line); unicode.IsSpace(r) {
			text.WriteRune(r)
			line = line[size:]
			continue
		}
		if name := filterOf(line); name != "" {
			var value string
			value, line = cutWord(line[len(name):])
			if err := q.narrow(name, value, now); err != nil {
				return findQuery{}, err
			}
			continue
		}
		var word string
		word, line = literal(line)
		text.WriteString(word)
	}
	q.Text = strings.TrimSpace(text.String())
	return q, nil
}

// filterOf returns the filter that s begins with, or "".
func filterOf(s string) string {
	for _, f := range filters {
		if len(s) >= len(f) && strings.EqualFold(s[:len(f)], f) {
			return f
		}
	}
	return ""
}

func cutWord(s string) (word, rest string) {
	if i := strings.IndexFunc(s, unicode.IsSpace); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// literal returns the text that s begins with, without what kept it from being a
// filter, and the rest.
func literal(s string) (text, rest string) {
	if s[0] == '\\' && filterOf(s[1:]) != "" {
		return cutWord(s[1:])
	}
	if s[0] == '"' && filterOf(s[1:]) != "" {
		text, rest, _ = strings.Cut(s[1:], `"`)
		return text, rest
	}
	return cutWord(s)
}

// narrow takes one filter. One without a value is still being typed.
func (q *findQuery) narrow(name, value string, now time.Time) error {
	if value == "" {
		return nil
	}
	switch name {
	case "client:":
		q.Client = value
	case "by:":
		q.By = value
	case "since:", "until:":
		at, err := pastTime(value, now)
		if err != nil {
			return fmt.Errorf("%s %w", strings.TrimSuffix(name, ":"), err)
		}
		if name == "since:" {
			q.Since = at
		} else {
			q.Until = at
		}
		value = when(at, now)
	}
	q.chips = append(q.chips, strings.TrimSuffix(name, ":")+" "+value)
	return nil
}

// pastTime reads a moment, or how long ago it was.
func pastTime(s string, now time.Time) (time.Time, error) {
	if d, err := console.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	at, err := console.ParseTime(s, now.Local().Add(-24*time.Hour))
	if err != nil {
		return at, fmt.Errorf("%q is neither like 2h or 3d ago nor a time like 14:52 or 2026-11-24", s)
	}
	return at, nil
}

// asks reports whether there is enough to look for.
func (q *findQuery) asks() bool { return utf8.RuneCountInString(q.Text) >= 2 }

// same reports whether both ask for the same. A duration ago is another moment
// each time it is read, so the times are compared by the minute.
func (q *findQuery) same(o *findQuery) bool {
	near := func(a, b time.Time) bool { return a.IsZero() == b.IsZero() && a.Sub(b).Abs() < time.Minute }
	return q.Text == o.Text && q.Client == o.Client && q.By == o.By && near(q.Since, o.Since) && near(q.Until, o.Until)
}
