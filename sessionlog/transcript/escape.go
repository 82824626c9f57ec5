package transcript

import (
	"strconv"
	"strings"
)

// escapeMarkdown returns one line of safe text so that Markdown shows it as it
// is, wherever in a paragraph it stands: no markup, no HTML, no link.
func escapeMarkdown(s string) string {
	var out strings.Builder
	out.Grow(len(s))
	for i := range len(s) {
		if special(s, i) {
			out.WriteByte('\\')
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// special reports whether the byte at i could be markup.
func special(s string, i int) bool {
	switch s[i] {
	case '\\', '`', '*', '_', '[', ']', '<', '>', '&', '!', '|', '~', '#', '$', '@':
		return true
	case '+', '-', '=': // a list, a rule or a heading, where a line begins so
		return strings.Trim(s[:i], " ") == ""
	case ':': // what makes links of addresses looks for this
		return strings.HasPrefix(s[i:], "://")
	case '.', ')': // a numbered list, or a host's name
		before := strings.TrimLeft(s[:i], " ")
		return strings.Trim(before, "0123456789") == "" || len(before) >= 3 && strings.EqualFold(before[len(before)-3:], "www")
	}
	return false
}

func itoa(n int) string { return strconv.Itoa(n) }
