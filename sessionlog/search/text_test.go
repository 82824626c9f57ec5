package search

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// FuzzFold holds the fast way of folding against the one that says where each
// byte was, and finding in stretches against finding in one piece.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "A b\tc  d\x00\x7f", "\x1b[31mRed\x1b[m x", "Größe \u00a0İ\u200b end", "\xff\xc3 A", "a\r\nB\rc", "\x1b]0;x\x07Y"} {
		f.Add([]byte(s), "b")
	}
	f.Add([]byte(strings.Repeat("line of text\r\n", 1000)+"Needle"), "needle")
	f.Fuzz(func(t *testing.T, text []byte, find string) {
		var at []int
		slow, fast := fold(nil, text, &at), fold(nil, text, nil)
		if !bytes.Equal(slow, fast) || len(at) != len(slow) {
			t.Fatalf("%q is folded to %q, and with offsets to %q", text, fast, slow)
		}
		p, err := compile(find)
		if err != nil {
			return
		}
		yes := func(place) bool { return true }
		got, _, ok := p.locate(text, nil, yes)
		want, found := p.locateIn(text, fast, yes)
		if ok != found || ok && (got.start != want.start || got.begin != want.begin || got.end != want.end || !bytes.Equal(got.line, want.line)) {
			t.Fatalf("%q in %q is at %+v, %t; in one piece at %+v, %t", find, text, got, ok, want, found)
		}
	})
}

// A place is where it says, however far into the text it is.
func TestLocateFar(t *testing.T) {
	var text []byte
	for i := range 3000 {
		text = fmt.Appendf(text, "Line %d of\tmany\r\n", i)
	}
	for i := 0; i < 3000; i += 7 {
		p, err := compile(fmt.Sprintf("line %d of many", i))
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		at, _, ok := p.locate(text, nil, func(at place) bool {
			calls++
			return bytes.HasPrefix(text[at.start:], at.line)
		})
		if want := fmt.Sprintf("Line %d of\tmany", i); !ok || calls != 1 || string(text[at.start+at.begin:at.start+at.end]) != want {
			t.Fatalf("line %d: %+v, %t after %d", i, at, ok, calls)
		}
	}
}
