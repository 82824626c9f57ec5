package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// noon is a Wednesday.
func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

func mustParse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return p
}

func TestCheck(t *testing.T) {
	const file = "# ours\n\neffects read probe shell\nnever *MKFS*\nhours mon-fri 08:00-18:00\r\n"
	for _, c := range []struct {
		text, effect, command string
		at                    time.Time
		want                  string // "" is yes
	}{
		{file, Read, "uptime", noon(), ""},
		{file, Shell, "uptime", noon(), ""},
		{file, Change, "uptime", noon(), "the endpoint's own policy, line 3: effects read probe shell"},
		{file, Shell, "sudo mkfs.ext4 /dev/sda", noon(), "the endpoint's own policy, line 4: never *MKFS*"},
		{file, Shell, "true\nMkFs /dev/sda", noon(), "the endpoint's own policy, line 4: never *MKFS*"},
		{file, Read, "uptime", noon().Add(6 * time.Hour), "the endpoint's own policy, line 5: hours mon-fri 08:00-18:00"},
		{file, "", "uptime", noon(), `the endpoint's own policy: the effect "" is not known here`},
		{file, "Read", "uptime", noon(), `the endpoint's own policy: the effect "Read" is not known here`},
		{"read-only", Probe, "", noon(), ""},
		{"read-only", Shell, "", noon(), "the endpoint's own policy, line 1: read-only"},
		{"effects shell\nread-only", Read, "", noon(), "the endpoint's own policy, line 1: effects shell"},
		{"effects shell\nread-only", Shell, "", noon(), "the endpoint's own policy, line 2: read-only"},
		{"effects none", Read, "", noon(), "the endpoint's own policy, line 1: effects none"},
		{"hours 00:00-01:00\nhours 11:00-13:00", Change, "", noon(), ""},
	} {
		err := mustParse(t, c.text).Check(c.effect, c.command, c.at)
		got := ""
		if err != nil {
			got = err.Error()
		}
		var r *Refusal
		if got != c.want || err != nil && !errors.As(err, &r) {
			t.Errorf("%q, %s %q: %q, not %q", c.text, c.effect, c.command, got, c.want)
		}
	}
	if err := (&Policy{}).Check(Change, "mkfs", noon()); err != nil {
		t.Error("the zero value refuses: ", err)
	}
	if err := (&Policy{}).Check("magic", "true", noon()); err == nil {
		t.Error("the zero value allows an effect that is not known")
	}
}

func TestEffects(t *testing.T) {
	for text, want := range map[string]string{
		"effects change read":              "[read change]",
		"read-only":                        "[read probe]",
		"EFFECTS Read Shell\nRead-Only":    "[read]",
		"effects none":                     "[none]",
		"effects shell\neffects change":    "[none]",
		"hours sat 00:00-00:01":            "[read probe shell change]",
		"effects read probe shell change":  "[read probe shell change]",
		"\ufeffeffects read\n# and so on.": "[read]",
	} {
		if got := fmt.Sprint(mustParse(t, text).Effects()); got != want {
			t.Errorf("%q: %s, not %s", text, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "it says nothing",
		"# effects read\n\n":                "it says nothing",
		"read-only\nefects read":            `line 2: "efects" is not effects`,
		"effects":                           "line 1: effects need at least one",
		"effects read none":                 `line 1: "none" is not read`,
		"effects read, probe":               `line 1: "read," is not read`,
		"read-only please":                  "line 1: read-only stands alone",
		"never":                             "line 1: never what?",
		"never   ":                          "line 1: never what?",
		"hours":                             "line 1: hours are written",
		"hours mon-fri":                     `line 1: "mon" is no time of day`,
		"hours mo-fri 08:00-18:00":          `line 1: "mo" is not mon`,
		"hours mon-fri 8:00-18:00":          `line 1: "8:00" is no time of day`,
		"hours mon-fri 08:00-18:60":         `line 1: "18:60" is no time of day`,
		"hours mon-fri 08:00-24:01":         `line 1: "24:01" is no time of day`,
		"hours mon-fri 08:00-08:00":         "is no time at all",
		"hours 24:00-08:00":                 "is no time at all",
		"hours mon fri 08:00-18:00":         "line 1: hours are written",
		"hours mon, 08:00-18:00":            `line 1: "" is not mon`,
		"hours 08:00-1٢:00":                 "is no time of day",
		"never *\x1b[2J*":                   "line 1: it has characters that cannot be shown",
		"never *\xff*":                      "line 1: it has characters that cannot be shown",
		"effects read\x00":                  "line 1: it has characters that cannot be shown",
		strings.Repeat("#", maxFile) + "\n": "over the limit",
	} {
		p, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v, not %q", text, p, err, want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		glob, s string
		want    bool
	}{
		{"*mkfs*", "mkfs", true},
		{"*mkfs*", "mkf s", false},
		{"mkfs", "mkfs ", false},
		{"rm -rf /*", "rm -rf /", true},
		{"rm -rf /*", "sudo rm -rf /", false},
		{"*a*b*c*", "xxaxxbxxcxx", true},
		{"*a*b*c", "abcabcabd", false},
		{"??", "é€", true},
		{"??", "e", false},
		{"*", "", true},
		{"***", "any\nthing", true},
		{"[a]", "a", false},
		{"[a]", "[a]", true},
		{"*ß*", "STRASSE ß", true},
		{strings.Repeat("*a", 200), strings.Repeat("a", 300) + "b", false},
	} {
		if got := match(fold(c.glob), fold(c.s)); got != c.want {
			t.Errorf("%.40q, %.40q: %t", c.glob, c.s, got)
		}
	}
}

// What a refusal tells is one line of bounded length.
func TestRefusalIsShort(t *testing.T) {
	p := mustParse(t, "never "+strings.Repeat("é", 1000)+"*\nnever *")
	err := p.Check(Shell, strings.Repeat("É", 1000)+"x", noon())
	if err == nil || len(err.Error()) > maxTold+80 || !strings.HasSuffix(err.Error(), "é…") {
		t.Errorf("%v", err)
	}
}

func TestString(t *testing.T) {
	p := mustParse(t, "effects read shell\nhours 08:00-12:00\nnever *rm*\n")
	if got := p.String(); got != "effects read shell; hours 08:00-12:00; never *rm*" {
		t.Error(got)
	}
}

// A text is a policy or an error; a policy decides, and allows no more than it says.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"effects read probe\nhours mon-fri 08:00-18:00\nnever *mkfs*\nread-only\n",
		"# nothing\n", "\ufeffeffects none\r\n", "hours fri-mon,wed 22:00-06:00", "never ?*[a]",
	} {
		f.Add(text, Shell, "mkfs /dev/sda")
	}
	f.Fuzz(func(t *testing.T, text, effect, command string) {
		p, err := Parse(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q: not one line: %q", text, err)
			}
			return
		}
		told := p.Effects()
		if len(told) == 0 {
			t.Fatalf("%q: no effects are told", text)
		}
		for at := noon(); at.Before(noon().AddDate(0, 0, 2)); at = at.Add(7 * time.Hour) {
			err := p.Check(effect, command, at)
			if err == nil && !slices.Contains(told, effect) {
				t.Fatalf("%q allows %q and tells %v", text, effect, told)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q: not one line: %q", text, err)
			}
		}
		if again, err := Parse(text); err != nil || again.String() != p.String() {
			t.Fatalf("%q: parsed twice: %v, %v", text, again, err)
		}
	})
}
