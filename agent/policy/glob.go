package policy

import "strings"

// fold makes text comparable, whatever the case of its letters.
func fold(s string) []rune { return []rune(strings.ToLower(strings.ToUpper(s))) }

// match reports whether all of t is as the glob g says: * is any text, line ends too,
// ? is one character, and everything else is itself. Both are folded.
func match(g, t []rune) bool {
	i, j := 0, 0
	star, resume := -1, 0 // the newest * in g, and where in t it may end next
	for j < len(t) {
		switch {
		case i < len(g) && g[i] == '*':
			star, resume = i, j
			i++
		case i < len(g) && (g[i] == '?' || g[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	for i < len(g) && g[i] == '*' {
		i++
	}
	return i == len(g)
}
