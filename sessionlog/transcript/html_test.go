package transcript

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// What a page is made of, and nothing else.
var (
	tags = []string{
		"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "dl", "dt", "dd", "section", "a", "bdi", "time", "pre", "p", "blockquote",
	}
	attributes = []string{"lang", "charset", "http-equiv", "content", "name", "id", "class", "href", "datetime"}
	anchor     = regexp.MustCompile(`^#step-[0-9]+$`)
	class      = regexp.MustCompile(`^(step|command|stdout|stderr|stream|ok|failed|gap|said)$`)
)

// checkHTML reads a page as a browser does and fails if it has anything that is
// not ours. It returns the text of the blocks of that class.
func checkHTML(t *testing.T, page, blocks string) []string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	var links, found []string
	for n := range doc.Descendants() {
		if n.Type == html.CommentNode {
			t.Errorf("a comment: %s", n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(tags, n.Data) {
			t.Errorf("an element %s", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case !slices.Contains(attributes, a.Key),
				a.Key == "class" && !class.MatchString(a.Val), a.Key == "href" && !anchor.MatchString(a.Val):
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			case a.Key == "id":
				ids["#"+a.Val] = true
			case a.Key == "href":
				links = append(links, a.Val)
			case a.Key == "class" && a.Val == blocks:
				found = append(found, content(n))
			}
		}
	}
	for _, link := range links {
		if !ids[link] {
			t.Errorf("a link to %s, which is not there", link)
		}
	}
	if strings.Contains(strings.ToLower(page), "<script") {
		t.Error("a script")
	}
	return found
}

func content(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

func TestHTML(t *testing.T) {
	page := string(render(t, sample(t), htmlForm))
	found := checkHTML(t, page, "stdout")
	if text := strings.Join(found, "|"); !strings.Contains(text, "</pre><script>alert('1')</script>&amp;\n```\n") {
		t.Errorf("output became %q", text)
	}
	if gaps := checkHTML(t, page, "gap"); len(gaps) != 1 || !strings.Contains(gaps[0], "… 12,345,678 bytes of stdout not recorded: the limit of a step <b>") {
		t.Errorf("gaps: %q", gaps)
	}
	_, inline, _ := strings.Cut(page, "<style>")
	inline, _, _ = strings.Cut(inline, "</style>")
	sum := sha256.Sum256([]byte(inline))
	policy := `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-` + base64.StdEncoding.EncodeToString(sum[:]) + `'; `
	if !strings.Contains(page, policy) {
		t.Errorf("the page has no %s", policy)
	}
	if strings.Contains(inline, "url(") || strings.Contains(inline, "@import") {
		t.Error("the style loads something")
	}
}

// A block begins with the line that its output begins with, if that is empty too.
func TestHTMLFirstLine(t *testing.T) {
	if found := checkHTML(t, printAll(t, one("x", "\n\ny\n"), htmlForm), "stdout"); len(found) != 1 || found[0] != "\n\ny\n" {
		t.Errorf("got %q", found)
	}
}

// Where Chromium is installed, it applies the style, so the policy lets it
// through, and it builds the page that is meant.
func TestHTMLInChromium(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return // TestHTML has read the page with a parser
	}
	file, err := filepath.Abs("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
		"--enable-logging=stderr", "--dump-dom", "file://"+file)
	var out, logged bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &logged
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, logged.String())
	}
	if found := checkHTML(t, out.String(), "stdout"); len(found) == 0 {
		t.Errorf("no output in\n%s", out.String())
	}
	if strings.Contains(logged.String(), "Content Security Policy") {
		t.Errorf("the policy stopped something:\n%s", logged.String())
	}
}

func FuzzHTML(f *testing.F) {
	f.Add("uname", []byte("</pre><script>alert(1)</script>"), 3, "a note", "ana")
	f.Add("<img src=x onerror=y>", []byte("&lt;\x1b]8;;http://x\x07<!--"), 1, "]]></blockquote>", "<b>")
	f.Add("x", []byte("\x00\xff\xe2\x80\xae\r\n\n<"), 2, "\"'><a href=javascript:x>", "\" onclick=\"")
	f.Fuzz(func(t *testing.T, command string, data []byte, cut int, note, who string) {
		cut = min(max(cut, 0), len(data))
		evs := one(command, string(data[:cut]), string(data[cut:]))
		evs[0] = sessionlog.New(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{
			Session: sessionlog.SessionID(who), Client: who, Endpoint: sessionlog.EndpointID(note), Name: note, Technician: who, Key: note, AgentKey: who,
		})
		end := len(evs) - 1
		evs = append(evs[:end:end],
			sessionlog.New(sessionlog.StepGap, sessionlog.Relay, s1, sessionlog.Gap{Stream: who, Bytes: 1, Why: note}),
			sessionlog.New(sessionlog.StepCancel, sessionlog.Actor(who), s2, nil),
			sessionlog.New(sessionlog.NoteAdded, sessionlog.Actor(who), "", sessionlog.Note{Text: note}),
			sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, s1, sessionlog.Ended{State: sessionlog.Outcome(who), Why: note, Signal: who}),
			sessionlog.New(sessionlog.SessionClosed, sessionlog.Actor(who), "", sessionlog.Closed{Why: note}))
		page := printAll(t, evs, htmlForm)
		found := checkHTML(t, page, "stdout")
		want := string(stripSGR([]byte(vt.Clean(data))))
		if got := strings.Join(found, ""); got != want {
			t.Errorf("output %q became %q, want %q", data, got, want)
		}
	})
}
