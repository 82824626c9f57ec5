package transcript

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// A renderer is any form of a record.
type renderer interface {
	Print(sessionlog.Event) error
	Flush() error
}

// render returns a whole record in the form that make makes.
func render(t testing.TB, r sessionlog.Reader, form func(*bytes.Buffer) renderer) []byte {
	t.Helper()
	var buf bytes.Buffer
	p := form(&buf)
	if err := sessionlog.Replay(t.Context(), r, p.Print); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func markdown(w *bytes.Buffer) renderer { return NewMarkdown(w, Options{}) }
func htmlForm(w *bytes.Buffer) renderer { return NewHTML(w, Options{}) }
func cast2(w *bytes.Buffer) renderer    { return NewCast(w, Options{Color: true}, Cast2) }
func cast3(w *bytes.Buffer) renderer    { return NewCast(w, Options{Color: true}, Cast3) }

func TestGolden(t *testing.T) {
	for file, form := range map[string]func(*bytes.Buffer) renderer{
		"page.md": markdown, "page.html": htmlForm, "v2.cast": cast2, "v3.cast": cast3,
	} {
		golden(t, file, render(t, sample(t), form))
	}
}

// What was left out is told in every form, and what stands before and behind it
// is not put together: neither half a character nor a half control sequence.
func TestGap(t *testing.T) {
	evs := one("x", "a\xe2\x82", "\xacb\x1b]0;", "c\n")
	gap := func(i int, bytes int64, why string) {
		ev := sessionlog.New(sessionlog.StepGap, sessionlog.Relay, s1, sessionlog.Gap{Stream: "stdout", Bytes: bytes, Why: why})
		ev.Time = evs[i].Time
		evs = slices.Insert(evs, i, ev)
	}
	gap(4, 999, "")
	gap(3, 1234, "too\nmuch")
	for name, form := range map[string]func(*bytes.Buffer) renderer{
		"text": func(w *bytes.Buffer) renderer { return NewPrinter(w, Options{}) }, "md": markdown, "html": htmlForm, "cast": cast2,
	} {
		got := printAll(t, evs, form)
		if name == "cast" {
			_, lines := readCast(t, got)
			got = printed(lines)
		}
		at := 0
		for _, want := range []string{"a\ufffd\ufffd", "… 1,234 bytes of stdout not recorded: too␊much", "\ufffdb", "… 999 bytes of stdout not recorded", "c"} {
			i := strings.Index(got[at:], want)
			if i < 0 {
				t.Fatalf("%s has no %q where it should:\n%s", name, want, got)
			}
			at += i + len(want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 12345678: "12,345,678", -4321: "-4,321", -1 << 63: "-9,223,372,036,854,775,808"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func BenchmarkForms(b *testing.B) {
	evs := one("x", strings.Repeat("Mar  4 05:06:07 db01 sshd[123]: \x1b[32mAccepted\x1b[m publickey for ana\n", 480))
	for name, form := range map[string]func(*bytes.Buffer) renderer{
		"text": func(w *bytes.Buffer) renderer { return NewPrinter(w, Options{}) }, "md": markdown, "html": htmlForm, "cast": cast2,
	} {
		b.Run(name, func(b *testing.B) {
			var buf bytes.Buffer
			p := form(&buf)
			for _, ev := range evs[:2] {
				if err := p.Print(ev); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(evs[2].Chunk.Data)))
			for b.Loop() {
				buf.Reset()
				if err := p.Print(evs[2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
