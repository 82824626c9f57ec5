package tui

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// maxWords is the most words that a field is completed from.
const maxWords = 1000

// A tabbed is a completion under way: Tab goes through the words.
type tabbed struct {
	before string // what stands before the word, in a list
	words  []string
	at     int
}

// list returns the words, from the one that is in the field on.
func (t *tabbed) list() string {
	n := min(len(t.words), 40)
	out := make([]string, 0, n)
	for i := range n {
		out = append(out, t.words[(t.at+i)%len(t.words)])
	}
	return strings.Join(out, "  ")
}

// completes reports whether a field can be completed from anything.
func (f *field) completes() bool {
	return f.Complete != "" || f.Type == check.AnEnum || f.Type == check.ABool
}

// formTab completes the field with the cursor, by one word after the other.
func (m *Model) formTab(by int) {
	f := m.pick.form
	fd, t := &f.fields[f.cursor], &f.tab
	if len(t.words) > 0 {
		t.at = (t.at + by + len(t.words)) % len(t.words)
		fd.edit.set(t.before + t.words[t.at])
		return
	}
	typed := fd.edit.String()
	if i := strings.LastIndexByte(typed, ','); fd.Type == check.AList && i >= 0 {
		t.before, typed = typed[:i+1], typed[i+1:]
	}
	t.words = m.words(fd, typed)
	if len(t.words) == 0 {
		*t = tabbed{}
		m.say(noWords(fd, typed))
		return
	}
	if by < 0 {
		t.at = len(t.words) - 1
	}
	fd.edit.set(t.before + t.words[t.at])
}

// noWords says why there is nothing to complete a field from.
func noWords(fd *field, typed string) string {
	name, column, ok := strings.Cut(fd.Complete, ":")
	switch {
	case !fd.completes():
		return "nothing completes " + fd.Name
	case typed != "":
		return "nothing known begins with " + typed
	case ok:
		return "it is completed from " + column + " of an answer of " + name + ", and there is none here"
	}
	return "nothing completes " + fd.Name
}

// words returns what a field may be that begins with typed.
func (m *Model) words(fd *field, typed string) []string {
	var all []string
	switch {
	case fd.Type == check.AnEnum:
		all = fd.Values
	case fd.Type == check.ABool:
		all = []string{"yes", "no"}
	case fd.Complete != "":
		name, column, _ := strings.Cut(fd.Complete, ":")
		m.pick.pane.with(m, m.w, func(s *sheet) { all = s.cells(name, column) })
	}
	typed = strings.ToLower(typed)
	return slices.DeleteFunc(slices.Clone(all), func(v string) bool {
		return !strings.HasPrefix(strings.ToLower(v), typed) || vt.Plain(v) != v || fd.Err(v) != nil
	})
}

// cells returns the different cells of a column in the answers of a check, those of
// the newest first.
func (s *sheet) cells(name, column string) []string {
	var out []string
	seen := map[string]bool{}
	for _, b := range slices.Backward(s.blocks) {
		if ask, ok := b.asked(); !ok || ask.Name != name {
			continue
		}
		for i := range b.told.Tables {
			t := &b.told.Tables[i]
			at := slices.IndexFunc(t.Columns, func(c check.Column) bool { return c.Name == column })
			if at < 0 {
				continue
			}
			for _, row := range t.Rows {
				if v := argument(row[at]); v != "" && !seen[v] && len(out) < maxWords {
					seen[v] = true
					out = append(out, v)
				}
			}
		}
	}
	return out
}

// argument returns a cell as it would stand as an argument.
func argument(cell any) string {
	switch v := cell.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "yes"
		}
		return "no"
	}
	return ""
}
