package vt

import "testing"

func TestASCII(t *testing.T) {
	for in, want := range map[string]string{
		"systemctl restart erp": "systemctl restart erp",
		"rm -rf /\u202e":        `rm -rf /\u{202e}`,
		"а":                     `\u{430}`, // Cyrillic
		"a\tb\n\x1b[2J":         `a\u{9}b\u{a}\u{1b}[2J`,
		"\xff\\u{41}":           `\x{ff}\\u{41}`,
		"\u00a0é":               `\u{a0}\u{e9}`,
		"":                      "",
	} {
		if got := ASCII(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
