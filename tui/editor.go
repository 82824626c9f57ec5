package tui

import (
	"slices"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/tui/vt"
)

// An editor is one line of text that a person types.
type editor struct {
	text []rune
	pos  int // the cursor is before text[pos]
}

// String returns the text as it was typed.
func (e *editor) String() string { return string(e.text) }

func (e *editor) set(s string) {
	e.text = []rune(s)
	e.pos = len(e.text)
}

func (e *editor) insert(s string) {
	r := []rune(s)
	e.text = slices.Insert(e.text, e.pos, r...)
	e.pos += len(r)
}

// key takes a key and reports whether it meant something.
func (e *editor) key(k tea.KeyPressMsg) bool {
	switch k.String() {
	case "left", "ctrl+b":
		e.pos = max(e.pos-1, 0)
	case "right", "ctrl+f":
		e.pos = min(e.pos+1, len(e.text))
	case "home", "ctrl+a":
		e.pos = 0
	case "end", "ctrl+e":
		e.pos = len(e.text)
	case "backspace", "ctrl+h":
		e.cut(e.pos-1, e.pos)
	case "delete", "ctrl+d":
		e.cut(e.pos, e.pos+1)
	case "ctrl+w":
		e.cut(e.wordStart(), e.pos)
	case "ctrl+u":
		e.cut(0, e.pos)
	case "ctrl+k":
		e.cut(e.pos, len(e.text))
	default:
		if k.Text == "" || k.Mod&^tea.ModShift != 0 {
			return false
		}
		e.insert(k.Text)
	}
	return true
}

func (e *editor) cut(from, to int) {
	from, to = max(from, 0), min(to, len(e.text))
	e.text = slices.Delete(e.text, from, to)
	e.pos = from
}

func (e *editor) wordStart() int {
	i := e.pos
	for i > 0 && unicode.IsSpace(e.text[i-1]) {
		i--
	}
	for i > 0 && !unicode.IsSpace(e.text[i-1]) {
		i--
	}
	return i
}

// view returns the part of the text around the cursor that fits into width
// cells, and the cell of the cursor in it.
func (e *editor) view(width int, m ansi.Method) (string, int) {
	before, after := vt.Plain(string(e.text[:e.pos])), vt.Plain(string(e.text[e.pos:]))
	if over := m.StringWidth(before) - (width - 1); over > 0 {
		before = m.TruncateLeft(before, over, "")
	}
	x := m.StringWidth(before)
	return before + m.Truncate(after, max(0, width-x), ""), x
}

// risky says why pasted text should not go into a command line unasked, or
// returns "".
func risky(s string) string {
	if strings.ContainsAny(strings.TrimRight(s, "\r\n"), "\r\n") {
		return "more than one line"
	}
	if vt.Plain(strings.TrimRight(s, "\r\n")) != strings.TrimRight(s, "\r\n") {
		return "control characters"
	}
	return ""
}
