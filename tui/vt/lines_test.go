package vt

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

func split(l *Lines, in string, step int) []string {
	var out []string
	emit := func(line Line) { out = append(out, line.Text) }
	for len(in) > 0 {
		n := min(step, len(in))
		l.Write([]byte(in[:n]), emit)
		in = in[n:]
	}
	l.Flush(emit)
	return out
}

func TestLines(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"lines", "a\nb\r\n\nc", "a|b||c"},
		{"progress", " 10%\r 50%\r100%\ndone\n", "100%|done"},
		{"progress that rests", "50%\r", "50%"},
		{"crcrlf", "a\r\r\nb\r\r\n", "a|b"},
		{"tab", "a\tb\t\tc\n", "a       b               c"},
		{"erase", "abc\b \bd\n", "abd"},
		{"bold by overstrike", "N\bNA\bAME\n", "NAME"},
		{"bs hides nothing at rest", "rm -rf /\b\b\b\b\b\b\b\b\n", "rm -rf /"},
		{"bs past the start", "a\b\b\b\bb\n", "b"},
		{"bs on nothing", "\b\b\n", ""},
		{"bs over a mark", "e\u0301\bx\n", "x"},
		{"bs over a wide one", "a漢\bx\n", "ax"},
		{"colour over lines", "\x1b[31mred\nstill\x1b[m\nnot\n", "\x1b[31mred\x1b[m|\x1b[31mstill\x1b[m|not"},
		{"colour without text", "\x1b[31m\x1b[32m\x1b[m\nx\n", "|x"},
		{"colour at a bs", "\x1b[31mab\x1b[32m\bc\n", "\x1b[31ma\x1b[m\x1b[32mc\x1b[m"},
		{"concealed", "\x1b[8mhidden\n", "hidden"},
		{"all of sgr", "\x1b[1;4;38;5;200;48;2;1;2;3mx\x1b[22;24;39;49my\n", "\x1b[1;4;38;5;200;48;2;1;2;3mx\x1b[my"},
		{"sub parameters", "\x1b[4:3;38:2::9:8:7mx\x1b[0m\n", "\x1b[4:3;38;2;9;8;7mx\x1b[m"},
		{"bright", "\x1b[91;104mx\n", "\x1b[91;104mx\x1b[m"},
		{"cursor moves", "a\x1b[10Cb\x1b[2Kc\n", "abc"},
	} {
		for _, step := range []int{1, 3, 1 << 20} {
			if got := strings.Join(split(&Lines{}, tc.in, step), "|"); got != tc.want {
				t.Errorf("%s in pieces of %d:\n got %q\nwant %q", tc.name, step, got, tc.want)
			}
		}
	}
}

func TestLinesBounded(t *testing.T) {
	l := Lines{Cells: 100}
	total := 0
	emit := func(line Line) {
		if line.Width > 100+tabWidth || len(line.Text) > 1000 {
			t.Fatalf("a piece of %d cells, %d bytes", line.Width, len(line.Text))
		}
		total += line.Width
	}
	for range 1000 {
		l.Write([]byte(strings.Repeat("x", 1000)), emit)
		l.Write([]byte(strings.Repeat("\x1b[38;2;255;255;255m", 100)), emit)
		l.Write([]byte(strings.Repeat("\u0301", 100)), emit)
	}
	l.Flush(emit)
	if total != 1000*1000 {
		t.Errorf("%d cells came out, want a million", total)
	}
}

func TestLinesBackspaceFlood(t *testing.T) {
	var l Lines
	emit := func(Line) {}
	l.Write([]byte(strings.Repeat("x", 4000)), emit)
	l.Write([]byte(strings.Repeat("\x1b[31ma\b\x1b[32m", 100_000)), emit)
	if cap(l.buf) > 64<<10 {
		t.Errorf("the line takes %d bytes", cap(l.buf))
	}
}

// checkLines asserts what holds of Lines for any input.
func checkLines(t *testing.T, in []byte) {
	t.Helper()
	whole := split(&Lines{Cells: 40}, string(in), 1<<20)
	if pieces := split(&Lines{Cells: 40}, string(in), 1); strings.Join(whole, "\n") != strings.Join(pieces, "\n") {
		t.Fatalf("cut into bytes:\n got %q\nwant %q", pieces, whole)
	}
	l := Lines{Cells: 40}
	emit := func(line Line) {
		checkSafe(t, line.Text)
		if strings.ContainsAny(line.Text, "\n\t\b\r") {
			t.Fatalf("control in line %q", line.Text)
		}
		if w := ansi.StringWidthWc(ansi.Strip(line.Text)); w != line.Width && !strings.Contains(line.Text, "\u200d") {
			t.Fatalf("%q takes %d cells, not %d", line.Text, w, line.Width)
		}
		if line.ASCII && strings.Contains(line.Text, "\x1b") {
			t.Fatalf("%q is not plain", line.Text)
		}
		checkWrap(t, line)
	}
	l.Write(in, emit)
	l.Flush(emit)
}

func checkWrap(t *testing.T, line Line) {
	t.Helper()
	for _, m := range []ansi.Method{ansi.WcWidth, ansi.GraphemeWidth} {
		for _, width := range []int{1, 2, 7, 30} {
			rows := line.Wrap(width, m)
			if n := line.Rows(width, m); n != len(rows) {
				t.Fatalf("%q has %d rows, not %d", line.Text, len(rows), n)
			}
			for _, row := range rows {
				if w := m.StringWidth(row.Text); w > width {
					t.Fatalf("row %q of %q takes %d cells of %d", row.Text, line.Text, w, width)
				}
			}
		}
	}
}

func TestWrap(t *testing.T) {
	line := Line{Text: "ab\x1b[31mcdef\x1b[mgh漢", Width: 10}
	var got []string
	for _, row := range line.Wrap(3, ansi.WcWidth) {
		got = append(got, row.Text)
	}
	want := "ab\x1b[31mc\x1b[m|\x1b[31mdef\x1b[m|gh|漢"
	if strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := line.Fit(4, ansi.WcWidth); got != "ab\x1b[31mcd\x1b[m" {
		t.Errorf("Fit(4) = %q", got)
	}
	if got := PlainLine("ab").Fit(4, ansi.WcWidth); got != "ab  " {
		t.Errorf("Fit(4) = %q", got)
	}
}

func TestRing(t *testing.T) {
	r := Ring{MaxLines: 3}
	for _, s := range []string{"a", "b", "c", "d", "e"} {
		r.Push(PlainLine(s))
	}
	if r.Len() != 3 || r.Dropped() != 2 || r.At(2).Text != "c" || r.At(4).Text != "e" {
		t.Errorf("len %d, dropped %d, first %q, last %q", r.Len(), r.Dropped(), r.At(2).Text, r.At(4).Text)
	}
	r = Ring{MaxBytes: 1000}
	for range 10_000 {
		r.Push(PlainLine(strings.Repeat("x", 100)))
	}
	if r.Bytes() > 1000 || r.Len()+r.Dropped() != 10_000 || cap(r.lines) > 1000 {
		t.Errorf("%d bytes, %d lines, %d dropped, room for %d", r.Bytes(), r.Len(), r.Dropped(), cap(r.lines))
	}
}

func BenchmarkLines(b *testing.B) {
	in := []byte(strings.Repeat("2026-11-24 14:47:05 INFO replication ok, 12 objects in 0.3 s\n", 1000))
	var l Lines
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		l.Write(in, func(Line) {})
	}
}
