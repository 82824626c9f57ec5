package vt

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ASCII returns s so that everybody reads the same: printable ASCII stays, a
// backslash is doubled, and any other rune is written \u{HEX}, a byte that is part of
// none \x{HEX}. It is for what people are asked to approve.
func ASCII(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x{%02x}`, s[i])
		case r == '\\':
			b.WriteString(`\\`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		i += n
	}
	return b.String()
}
