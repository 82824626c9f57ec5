package verb

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/caisey/caisey/sessionlog"
)

// lines returns the numbers 1 to 20, a line each, but text for line n.
func lines(n int, text string) string {
	var b strings.Builder
	for i := 1; i <= 20; i++ {
		if i == n {
			b.WriteString(text + "\n")
			continue
		}
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

const oddDiff = `--- acme/a (2)
+++ acme/c (1)
@@ -7,7 +7,7 @@
 line 7
 line 8
 line 9
-line 10
+ten
 line 11
 line 12
 line 13
`

func TestFold(t *testing.T) {
	type prints struct {
		out, err string
		exit     int
	}
	same := prints{out: lines(0, "")}
	for name, tt := range map[string]struct {
		a, b, c  prints
		code     int
		out, err string
	}{
		"identical": {
			same, same, same, 0,
			"---- acme/a,acme/b,acme/c (3): ok ----\n" + same.out, "caisey: 3 targets: 3 ok\n",
		},
		"identical once safe": {
			same,
			prints{out: same.out, err: "\x1b]0;title\a"},
			same, 0,
			"---- acme/a,acme/b,acme/c (3): ok ----\n" + same.out, "caisey: 3 targets: 3 ok\n",
		},
		"silent": {prints{}, prints{}, prints{}, 0, "---- acme/a,acme/b,acme/c (3): ok ----\n", "caisey: 3 targets: 3 ok\n"},
		"one odd": {
			same, same,
			prints{out: lines(10, "ten")},
			0,
			"---- acme/a,acme/b (2): ok ----\n" + same.out + "---- acme/c (1): ok ----\n" + oddDiff, "caisey: 3 targets: 3 ok\n",
		},
		"all different": {
			prints{out: "1\n"},
			prints{out: "2"},
			prints{out: "\x1b[31m3\x1b[2J\n"},
			0,
			"---- acme/a (1): ok ----\n1\n---- acme/b (1): ok ----\n2\n---- acme/c (1): ok ----\n\x1b[31m3\x1b[m\n", "caisey: 3 targets: 3 ok\n",
		},
		"stderr differs": {
			same,
			prints{out: same.out, err: "warn\n"},
			same, 0,
			"---- acme/a,acme/c (2): ok ----\n" + same.out + "---- acme/b (1): ok, stdout as acme/a (2) ----\n",
			"---- acme/b (1): ok, stderr ----\nwarn\ncaisey: 3 targets: 3 ok\n",
		},
		"exit differs": {
			prints{same.out, "", 3},
			same,
			prints{same.out, "", 4},
			1,
			"---- acme/b (1): ok ----\n" + same.out +
				"---- acme/a (1): failed, exit 3, stdout as acme/b (1) ----\n---- acme/c (1): failed, exit 4, stdout as acme/b (1) ----\n",
			"caisey: acme/a: failed, exit 3\ncaisey: acme/c: failed, exit 4\ncaisey: 3 targets: 1 ok, 2 failed\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "acme/c", "acme/a", "acme/b")
			w.act = func(s *step) {
				p := map[string]prints{"a": tt.a, "b": tt.b, "c": tt.c}[s.ep.Name]
				s.out(sessionlog.Stdout, p.out)
				if p.err != "" {
					s.out(sessionlog.Stderr, p.err)
				}
				s.exit(p.exit)
			}
			got := w.say(t, "run acme/* --fold -- x")
			if got.out != tt.out || got.err != tt.err || got.code != tt.code {
				t.Errorf("exit %d, want %d\nstdout %q\n  want %q\nstderr %q\n  want %q", got.code, tt.code, got.out, tt.out, got.err, tt.err)
			}
		})
	}
}

func TestFoldOneTarget(t *testing.T) {
	w := newWorld(t, "acme/a")
	if got := w.say(t, "run a --fold -- x"); got != (told{0, "x\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := w.say(t, "run a --fold --json -- x"); got.code != ExitUsage || got.out != "" || !strings.Contains(got.err, "--fold") || !strings.Contains(got.err, "--json") {
		t.Errorf("%+v", got)
	}
}

// What came before a cancel is printed; who never ran is there too.
func TestFoldCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "acme/a", "acme/b", "acme/c")
		w.act = func(s *step) {
			s.out(sessionlog.Stdout, "begun\n")
			if s.ep.Name == "c" {
				s.exit(0)
				return
			}
			<-s.cancel
			s.end(sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan told)
		go func() { done <- w.sayCtx(ctx, "run acme/* --fold -- sleep 100") }()
		synctest.Wait()
		cancel()
		got := <-done
		want := "---- acme/a,acme/b (2): cancelled ----\nbegun\n---- acme/c (1): ok, stdout as acme/a (2) ----\n"
		if got.code != ExitCancelled || got.out != want || !strings.Contains(got.err, "3 targets: 1 ok, 2 cancelled") {
			t.Errorf("%+v", got)
		}
	})
}

func TestFoldOverBound(t *testing.T) {
	const n = 3 * maxEnd
	for name, tt := range map[string]struct {
		a, b string
		out  string
	}{
		"same": {strings.Repeat("x", n), strings.Repeat("x", n), "---- acme/a,acme/b (2): ok ----\n" + cut(maxEnd)},
		"middle differs": {
			strings.Repeat("x", n), strings.Repeat("x", n/2) + "y" + strings.Repeat("x", n/2-1),
			"---- acme/a (1): ok ----\n" + cut(maxEnd) + "---- acme/b (1): ok ----\n" + cut(maxEnd),
		},
		"at the bound": {strings.Repeat("x", 2*maxEnd), strings.Repeat("x", 2*maxEnd), "---- acme/a,acme/b (2): ok ----\n" + strings.Repeat("x", 2*maxEnd) + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "acme/a", "acme/b")
			w.act = func(s *step) {
				text := map[string]string{"a": tt.a, "b": tt.b}[s.ep.Name]
				for len(text) > 0 {
					m := min(len(text), 40_000)
					s.out(sessionlog.Stdout, text[:m])
					text = text[m:]
				}
				s.exit(0)
			}
			if got := w.say(t, "run acme/* --fold -- x"); got.out != tt.out || got.code != 0 {
				t.Errorf("exit %d, %d bytes, want %d: %.80q", got.code, len(got.out), len(tt.out), got.out)
			}
		})
	}
}

// cut is x without end, of which left bytes were left out.
func cut(left int) string {
	end := strings.Repeat("x", maxEnd) + "\n"
	return end + fmt.Sprintf("[… %d bytes left out …]\n", left) + end
}

// A cut leaves no half of a character, ends in no half of a colour, and counts
// exactly.
func TestHoldCutsSafely(t *testing.T) {
	for _, text := range []string{"ü", "€", "😀", "\x1b[31m", "a\x1b[1;31mü\n"} {
		for shift := range 8 {
			var h hold
			all := strings.Repeat("x", shift) + strings.Repeat(text, 4*maxEnd/len(text))
			h.write([]byte(all))
			head, rest, ok := strings.Cut(h.text(), "[… ")
			var left int
			if _, err := fmt.Sscanf(rest, "%d bytes", &left); err != nil || !ok || !utf8.ValidString(h.text()) {
				t.Fatalf("%q+%d: %v", text, shift, err)
			}
			_, tail, _ := strings.Cut(rest, "\n")
			kept := len(wholeEnd(h.head)) + len(tail)
			if kept+left != len(all) || !strings.HasPrefix(all, string(wholeEnd(h.head))) || !strings.HasSuffix(all, tail) {
				t.Errorf("%q+%d: %d kept and %d left out of %d", text, shift, kept, left, len(all))
			}
			if i := strings.LastIndexByte(head, 0x1b); i >= 0 && !strings.Contains(head[i:], "m") {
				t.Errorf("%q+%d: the head ends in %q", text, shift, head[i:])
			}
		}
	}
}
