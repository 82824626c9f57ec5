package tui

import (
	"strings"

	"github.com/sahilm/fuzzy"
)

// fitting returns those of rows that a filter means: first those that have all its words
// in their name, then those that have them somewhere, then those whose name has its
// letters in order. name and hay return what is in lower case.
func fitting[R any](rows []R, filter string, name, hay func(R) string) []R {
	words := strings.Fields(strings.ToLower(filter))
	if len(words) == 0 {
		return rows
	}
	var hits, some []R
	rest := named[R]{name: name}
	for _, row := range rows {
		switch {
		case has(name(row), words):
			hits = append(hits, row)
		case has(hay(row), words):
			some = append(some, row)
		default:
			rest.rows = append(rest.rows, row)
		}
	}
	hits = append(hits, some...)
	for _, m := range fuzzy.FindFrom(strings.Join(words, ""), rest) {
		hits = append(hits, rest.rows[m.Index])
	}
	return hits
}

// has reports whether s has all of words.
func has(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

// named is what fuzzy looks through.
type named[R any] struct {
	rows []R
	name func(R) string
}

// String implements fuzzy.Source.
func (n named[R]) String(i int) string { return n.name(n.rows[i]) }

// Len implements fuzzy.Source.
func (n named[R]) Len() int { return len(n.rows) }
