package transcript

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// one returns the events of a session with one step, whose output comes in the
// pieces given.
func one(command string, pieces ...string) []sessionlog.Event {
	ana, agent := sessionlog.Technician("ana"), sessionlog.Agent("acme/db01")
	evs := []sessionlog.Event{
		sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{Session: "S", Client: "acme", Name: "db01", Technician: "ana"}),
		sessionlog.New(sessionlog.StepRequested, ana, s1, sessionlog.Requested{Command: command}),
	}
	off := int64(0)
	for _, data := range pieces {
		evs = append(evs, sessionlog.NewOutput(agent, s1, sessionlog.Chunk{Stream: sessionlog.Stdout, Offset: off, Data: []byte(data)}))
		off += int64(len(data))
	}
	evs = append(evs, sessionlog.New(sessionlog.StepEnded, agent, s1, sessionlog.Ended{State: sessionlog.OK}))
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for i := range evs {
		evs[i].Seq, evs[i].Time = sessionlog.Seq(i+1), at.Add(time.Duration(i)*time.Second)
	}
	return evs
}

func printAll(t testing.TB, evs []sessionlog.Event, form func(*bytes.Buffer) renderer) string {
	t.Helper()
	var buf bytes.Buffer
	p := form(&buf)
	for _, ev := range evs {
		if err := p.Print(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

var fenceLine = regexp.MustCompile("^ {0,3}(`{3,})([^`\n]*)\n$")

// blocks reads CommonMark as its specification says a fenced block begins and
// ends. It returns what the blocks hold, by info string, and the rest.
func blocks(t *testing.T, text string) (in map[string]string, rest string) {
	t.Helper()
	said := map[string]*strings.Builder{"": {}}
	fence, info := 0, ""
	for line := range strings.Lines(text) {
		m := fenceLine.FindStringSubmatch(line)
		switch {
		case fence == 0 && m != nil:
			fence, info = len(m[1]), m[2]
			if said[info] == nil {
				said[info] = new(strings.Builder)
			}
		case fence == 0:
			said[""].WriteString(line)
		case m != nil && len(m[1]) >= fence && strings.TrimSpace(m[2]) == "":
			fence = 0
		default:
			if strings.Contains(line, strings.Repeat("`", fence)) {
				t.Fatalf("a run of backticks as long as its fence of %d", fence)
			}
			said[info].WriteString(line)
		}
	}
	if fence != 0 {
		t.Fatalf("the last block has no end")
	}
	in = map[string]string{}
	for info, b := range said {
		in[info] = b.String()
	}
	return in, in[""]
}

// Whatever is printed, and however it is cut, blocks hold all of it and nothing
// gets out of them.
func TestMarkdownFences(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var pieces []string
		for range rnd.IntN(6) + 1 {
			var b strings.Builder
			for range rnd.IntN(40) {
				b.WriteString([]string{"`", "``", "```\n", "````sh\n", "Q", "\n", " ", "ü", "# H\n", "</pre>", strings.Repeat("`", 9) + "\n"}[rnd.IntN(11)])
			}
			pieces = append(pieces, b.String())
		}
		checkBlocks(t, pieces)
		if t.Failed() {
			t.Fatalf("round %d: %q", round, pieces)
		}
	}
}

func checkBlocks(t *testing.T, pieces []string) {
	t.Helper()
	in, rest := blocks(t, printAll(t, one("echo ```", pieces...), markdown))
	want := vt.Clean([]byte(strings.Join(pieces, "")))
	if want != "" && !strings.HasSuffix(want, "\n") {
		want += "\n"
	}
	if in["text"] != want || in["sh"] != "echo ```\n" {
		t.Errorf("blocks hold %.200q, want %.200q", in["text"], want)
	}
	if strings.ContainsAny(rest, "QHü<") {
		t.Errorf("output outside of a block: %q", rest)
	}
}

// Lines that are longer than what is held are cut, if they must be, between
// characters, and never within a run of backticks.
func TestMarkdownLongLines(t *testing.T) {
	for name, text := range map[string]string{
		"plain":      strings.Repeat("x", 3*maxHeld) + "\n",
		"characters": strings.Repeat("€", maxHeld) + "\n" + strings.Repeat("ü", maxHeld) + "`````" + "\n",
		"one run":    strings.Repeat("`", 3*maxHeld+7),
		"late runs":  strings.Repeat("x", maxHeld-3) + "``````" + strings.Repeat("y", maxHeld) + "````````\nend",
		"many lines": strings.Repeat("line\n", maxHeld) + "```\n" + strings.Repeat("line\n", maxHeld),
	} {
		m := printAll(t, one("x", text[:len(text)/2], text[len(text)/2:]), markdown)
		if !utf8.ValidString(m) {
			t.Errorf("%s: a character was cut", name)
		}
		in, _ := blocks(t, m)
		got, want := strings.ReplaceAll(in["text"], "\n", ""), strings.ReplaceAll(vt.Clean([]byte(text)), "\n", "")
		if got != want {
			t.Errorf("%s: %d bytes in blocks, want %d", name, len(got), len(want))
		}
	}
}

// A page holds no more than a bounded piece of output, whatever goes by.
func TestPagesHoldLittle(t *testing.T) {
	for name, form := range map[string]func(*bytes.Buffer) renderer{"md": markdown, "html": htmlForm, "cast": cast2} {
		var buf bytes.Buffer
		p := form(&buf)
		evs := one("yes", strings.Repeat("0123456 `\n", 3000))
		most := 0
		for _, ev := range evs[:2] {
			if err := p.Print(ev); err != nil {
				t.Fatal(err)
			}
		}
		for range 300 {
			if err := p.Print(evs[2]); err != nil {
				t.Fatal(err)
			}
			most = max(most, held(p))
			buf.Reset()
		}
		if limit := 4 * maxHeld; most > limit {
			t.Errorf("%s holds %d bytes after 9 MB, want at most %d", name, most, limit)
		}
	}
}

// held returns how many bytes of buffers p has.
func held(p renderer) int {
	switch p := p.(type) {
	case *Markdown:
		return cap(p.held) + cap(p.buf) + cap(p.raw)
	case *HTML:
		return cap(p.buf) + cap(p.raw)
	case *Cast:
		return cap(p.buf) + p.shown.Cap() + cap(p.text.buf) + cap(p.text.raw)
	}
	return 0
}

func TestEscapeMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"plain, db-01.acme (x); it's 1.5": "plain, db-01.acme (x); it's 1.5",
		"*a* _b_ `c` [d](e) <f> &amp;":    `\*a\* \_b\_ \` + "`c\\`" + ` \[d\](e) \<f\> \&amp;`,
		"- x":                             `\- x`,
		"1. x":                            `1\. x`,
		"23) x":                           `23\) x`,
		"# x":                             `\# x`,
		"===":                             `\===`,
		"+ x":                             `\+ x`,
		"https://a.b www.c.d e@f":         `https\://a.b www\.c.d e\@f`,
		`back\slash | ~~s~~ !x`:           `back\\slash \| \~\~s\~\~ \!x`,
	} {
		if got := escapeMarkdown(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// A session that is still open says so, and a step in it that it has not ended.
func TestOpenSession(t *testing.T) {
	evs := one("tail -f x", "line\xe2\x82")
	for name, form := range map[string]func(*bytes.Buffer) renderer{"md": markdown, "html": htmlForm} {
		got := printAll(t, evs[:3], form)
		for _, want := range []string{"has not ended where this record ends", "was open when this was written, up to its event 3", "line\ufffd\ufffd"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s has no %q:\n%s", name, want, got)
			}
		}
	}
}
