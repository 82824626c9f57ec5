package check

import (
	"strings"
	"unicode/utf8"
)

// maxCell is the most bytes of a text cell.
const maxCell = 4 << 10

// clean makes valid UTF-8 of at most maxCell bytes of s.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= maxCell {
		return s
	}
	cut := maxCell
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// oneLine makes one short line of s.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if len(s) > 400 {
		s = strings.ToValidUTF8(s[:400], "") + "…"
	}
	return s
}
