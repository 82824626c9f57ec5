package vt

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var hostileCases = []struct{ name, in, want string }{
	{"text", "plain text", "plain text"},
	{"tab and lines", "a\tb\nc\n", "a\tb\nc\n"},
	{"crlf", "a\r\nb\r\n", "a\nb\n"},
	{"crcrlf", "a\r\r\nb", "a\u240d\nb"},
	{"lone cr", "rm -rf /\rls", "rm -rf /\u240dls"},
	{"last cr", "a\r", "a\u240d"},
	{"sgr", "\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"},
	{"sgr colons", "\x1b[38:2::1:2:3mx\x1b[m", "\x1b[38:2::1:2:3mx\x1b[m"},
	{"sgr of 64", "\x1b[" + strings.Repeat("1", 61) + "mx", "\x1b[" + strings.Repeat("1", 61) + "mx"},
	{"sgr of 65", "\x1b[" + strings.Repeat("1", 62) + "mx", "x"},
	{"private sgr", "\x1b[?1mx\x1b[>4;2my", "xy"},
	{"sgr with intermediate", "\x1b[1 mx", "x"},
	{"clear and home", "\x1b[2J\x1b[Hx", "x"},
	{"title", "\x1b]0;pwned\x07x", "x"},
	{"title report", "\x1b]2;cmd\x1b\\\x1b[21tx", "x"},
	{"clipboard", "\x1b]52;c;cm0gLXJm\x07x", "x"},
	{"hyperlink", "\x1b]8;;http://evil\x1b\\ok\x1b]8;;\x1b\\", "ok"},
	{"decrqss", "\x1bP$qm\x1b\\x", "x"},
	{"tmux passthrough", "\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\x", "\u241bx"},
	{"kitty graphics", "\x1b_Gf=100;AAAA\x1b\\x", "x"},
	{"pm", "\x1b^secret\x1b\\x", "x"},
	{"sos", "\x1bXsecret\x1b\\x", "x"},
	{"screen title", "\x1bktitle\x1b\\x", "x"},
	{"string to the end of the line", "\x1b]0;never ends\nnext", "\nnext"},
	{"string to can", "\x1b]0;x\x18y", "y"},
	{"string cut by csi", "\x1b]0;x\x1b[31my", "\x1b[31my"},
	{"mouse on", "\x1b[?1003h\x1b[?1006hx", "x"},
	{"bracketed paste end", "\x1b[201~rm -rf /", "rm -rf /"},
	{"device attributes", "\x1b[c\x1b[5n\x1b[6nx", "x"},
	{"reset", "\x1bcx", "x"},
	{"charset", "\x1b(0lqqk\x1b(B", "lqqk"},
	{"index", "\x1bD\x1bM\x1bEx", "x"},
	{"esc before text", "\x1b{x", "\u241b{x"},
	{"esc at the end", "x\x1b", "x\u241b"},
	{"esc esc", "\x1b\x1b[31mx", "\u241b\x1b[31mx"},
	{"csi cut by a control", "\x1b[3\x081mx", "\u24081mx"},
	{"csi cut by a letter outside", "\x1b[3é", "é"},
	{"bell and friends", "\x00\x07\x08\x0b\x0c\x7f", "\u2400\u2407\u2408\u240b\u240c\u2421"},
	{"c1 csi", "\u009b6nx", "\ufffd6nx"},
	{"c1 bytes", "\x9b31m\x90x\x9c", "\ufffd31m\ufffdx\ufffd"},
	{"nel", "a\u0085b", "a\ufffdb"},
	{"bidi", "a\u202eb\u2066c\u200fd", "a\ufffdb\ufffdc\ufffdd"},
	{"tags", "a\U000e0041\U000e007fb", "a\ufffd\ufffdb"},
	{"line separators", "a\u2028b\u2029c", "a\ufffdb\ufffdc"},
	{"bom", "\ufeffx", "\ufffdx"},
	{"zero width", "a\u200bb\u2060c\u00add", "a\ufffdb\ufffdc\ufffdd"},
	{"private use", "\ue000\U000f0000\U0010fffd", "\ufffd\ufffd\ufffd"},
	{"noncharacters", "\ufdd0\uffff\U0001fffe", "\ufffd\ufffd\ufffd"},
	{"bad utf-8", "a\xffb\xc3(\xe2\x82", "a\ufffdb\ufffd(\ufffd\ufffd"},
	{"overlong and surrogate", "\xc0\x9b\xed\xa0\x80", "\ufffd\ufffd\ufffd\ufffd\ufffd"},
	{"marks", "a" + strings.Repeat("\u0301", 20) + "b", "a" + strings.Repeat("\u0301", 8) + "b"},
	{"marks around sgr", "a" + strings.Repeat("\u0301", 6) + "\x1b[m" + strings.Repeat("\u0301", 6), "a" + strings.Repeat("\u0301", 6) + "\x1b[m\u0301\u0301"},
	{"scripts", "blåbær Ωμέγα 漢字 हिन्दी 👩\u200d💻", "blåbær Ωμέγα 漢字 हिन्दी 👩\u200d💻"},
}

func TestClean(t *testing.T) {
	for _, tc := range hostileCases {
		t.Run(tc.name, func(t *testing.T) {
			if got := Clean([]byte(tc.in)); got != tc.want {
				t.Errorf("Clean(%q)\n got %q\nwant %q", tc.in, got, tc.want)
			}
			checkCleaner(t, []byte(tc.in))
		})
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"acme/db01":              "acme/db01",
		"a\nb\tc":                "a\u240ab\u2409c",
		"\x1b[31mred\x1b[0m":     "red",
		"x\x1b]0;t\x07\r\ny":     "x\u240ay",
		"\u202etxt.exe":          "\ufffdtxt.exe",
		"blåbær \x1b[1mfett\x1b": "blåbær fett\u241b",
	} {
		if got := Plain(in); got != want {
			t.Errorf("Plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCleanerBounded(t *testing.T) {
	var c Cleaner
	dst := make([]byte, 0, 256)
	for _, start := range []string{"\x1b]0;", "\x1b[1;1", "\x1bP", "\x1b("} {
		dst = c.Append(dst[:0], []byte(start))
		fill := bytes.Repeat([]byte("1"), 64<<10)
		if start == "\x1b(" {
			fill = bytes.Repeat([]byte(" "), 64<<10)
		}
		for range 16 {
			dst = c.Append(dst, fill)
		}
		if len(dst) != 0 {
			t.Errorf("%q: %d bytes came out of an endless sequence", start, len(dst))
		}
		dst = c.Flush(dst)
	}
}

func TestCleanerAllocates(t *testing.T) {
	in := []byte(strings.Repeat("plain \x1b[31mred\x1b[m blå\r\n\x1b]0;x\x07", 100))
	dst := make([]byte, 0, 3*len(in)+80)
	var c Cleaner
	if n := testing.AllocsPerRun(20, func() { dst = c.Append(dst[:0], in) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

// checkCleaner asserts what holds of Clean for any input.
func checkCleaner(t *testing.T, in []byte) {
	t.Helper()
	out := Clean(in)
	if again := Clean([]byte(out)); again != out {
		t.Fatalf("not idempotent: %q then %q", out, again)
	}
	checkSafe(t, out)
	for _, step := range []int{1, 2, 3, 5, 17} {
		var c Cleaner
		var got []byte
		for rest := in; len(rest) > 0; {
			n := min(step, len(rest))
			got, rest = c.Append(got, rest[:n]), rest[n:]
		}
		if got = c.Flush(got); string(got) != out {
			t.Fatalf("pieces of %d:\n got %q\nwant %q", step, got, out)
		}
	}
	plain := Plain(string(in))
	if strings.ContainsAny(plain, "\x1b\n\t") || Plain(plain) != plain {
		t.Fatalf("Plain(%q) = %q", in, plain)
	}
}

// checkSafe asserts that s holds nothing outside the allow-list. It does not
// use the tables under test.
func checkSafe(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("not UTF-8: %q", s)
	}
	for i, r := range s {
		switch {
		case r == '\n' || r == '\t':
		case r == esc:
			seq := s[i:]
			end := strings.IndexByte(seq, 'm')
			if end < 0 || end > 63 || seq[1] != '[' || strings.Trim(seq[2:end], "0123456789;:") != "" {
				t.Fatalf("escape that is no SGR in %q", s)
			}
		case r < ' ', r >= 0x7f && r < 0xa0,
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x61c,
			r == 0x2028, r == 0x2029, r == 0xfeff, r >= 0xe0000 && r <= 0xe0fff,
			unicode.Is(unicode.Co, r), unicode.Is(unicode.Noncharacter_Code_Point, r):
			t.Fatalf("%U in %q", r, s)
		}
	}
}

func FuzzCleaner(f *testing.F) {
	for _, tc := range hostileCases {
		f.Add([]byte(tc.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<16 {
			t.Skip()
		}
		checkCleaner(t, in)
		checkLines(t, in)
	})
}

func BenchmarkCleanASCII(b *testing.B) {
	benchmarkClean(b, strings.Repeat("2026-11-24 14:47:05 INFO replication ok, 12 objects in 0.3 s\n", 1000))
}

func BenchmarkCleanColour(b *testing.B) {
	benchmarkClean(b, strings.Repeat("2026-11-24 14:47:05 \x1b[32mINFO\x1b[0m replication blåbær, 12 objects\r\n", 1000))
}

func benchmarkClean(b *testing.B, s string) {
	var c Cleaner
	in := []byte(s)
	dst := make([]byte, 0, 3*len(in)+80)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		dst = c.Append(dst[:0], in)
	}
}
