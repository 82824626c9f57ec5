package verb

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitLine(t *testing.T) {
	for _, tt := range []struct {
		line    string
		words   []string
		command string
		hasCmd  bool
	}{
		{"run acme/db01 -- echo hi", []string{"run", "acme/db01"}, "echo hi", true},
		{`run 'acme/*' -l "a=b c" -- printf '%s -- %s\n' "x"  y`, []string{"run", "acme/*", "-l", "a=b c"}, `printf '%s -- %s\n' "x"  y`, true},
		{"run x --   spaced ", []string{"run", "x"}, "  spaced ", true},
		{"run x -- a\nb\tc'", []string{"run", "x"}, "a\nb\tc'", true},
		{"run x --", []string{"run", "x"}, "", true},
		{"ls a\\ b", []string{"ls", "a b"}, "", false},
		{"note 01 it's -- full", []string{"note", "01", "it's", "--", "full"}, "", false},
		{`note 01 "two  words"`, []string{"note", "01", "two  words"}, "", false},
	} {
		words, command, hasCmd, err := SplitLine(tt.line)
		if err != nil || !slices.Equal(words, tt.words) || command != tt.command || hasCmd != tt.hasCmd {
			t.Errorf("SplitLine(%q) = %q, %q, %v, %v", tt.line, words, command, hasCmd, err)
		}
	}
}

func TestSplitArgs(t *testing.T) {
	words, command, hasCmd := splitArgs([]string{"run", "x", "--", "echo", "a  b", "--", "c"})
	if !slices.Equal(words, []string{"run", "x"}) || command != "echo a  b -- c" || !hasCmd {
		t.Errorf("got %q, %q, %v", words, command, hasCmd)
	}
	if words, _, hasCmd := splitArgs([]string{"note", "01", "--", "-x"}); len(words) != 4 || hasCmd {
		t.Errorf("note: %q, %v", words, hasCmd)
	}
}

// FuzzLine checks that a command comes out of a line byte for byte, and that no
// line makes the splitter panic or lose words.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"run a -- b", "run 'a' \"b -- c", "note x it's", "ls \\", "run --", "run a --  -- x\n", "\xff", "ls \"\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, command, hasCmd, err := SplitLine(line)
		if err != nil {
			if words != nil || command != "" || hasCmd {
				t.Fatalf("%q: an error and a result: %q %q", line, words, command)
			}
			return
		}
		if hasCmd && !strings.HasSuffix(line, command) {
			t.Fatalf("%q: command %q is not how the line ends", line, command)
		}
		if hasCmd && command != "" && !strings.HasSuffix(line, separator+command) {
			t.Fatalf("%q: command %q does not follow --", line, command)
		}
		n := 0
		for _, w := range words {
			n += len(w)
		}
		if n > len(line) {
			t.Fatalf("%q: words %q are longer than the line", line, words)
		}
	})
}
