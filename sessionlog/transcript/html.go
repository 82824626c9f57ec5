package transcript

import (
	"crypto/sha256"
	_ "embed" // for the style
	"encoding/base64"
	"html"
	"io"
	"strings"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

//go:embed style.css
var style string

// HTML renders a session as one HTML file that needs no other, has no script,
// and tells a browser to load nothing. Its steps have the anchors #step-1,
// #step-2 and on. Colours of output are left out.
type HTML struct {
	page

	stream sessionlog.Stream // of the open block of output; 0 if none is open
	part   bool              // a step's section is open
}

// NewHTML returns an HTML that writes to w.
func NewHTML(w io.Writer, opts Options) *HTML {
	h := &HTML{page: newPage(w, opts)}
	h.form = h
	return h
}

func (h *HTML) begin(o sessionlog.Opened) {
	title := html.EscapeString(h.name)
	if o.Technician != "" {
		title += ": session of " + html.EscapeString(vt.Plain(o.Technician))
	}
	sum := sha256.Sum256([]byte(style))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	h.add("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="`, policy, "\">\n",
		`<meta name="viewport" content="width=device-width, initial-scale=1">`, "\n",
		`<meta name="referrer" content="no-referrer">`, "\n<title>", title, "</title>\n<style>", style,
		"</style>\n</head>\n<body>\n<main>\n<h1>", title, "</h1>\n")
}

func (h *HTML) opened(at time.Time, o sessionlog.Opened) {
	item := func(what, is string) {
		if is != "" {
			h.add("<dt>", what, "</dt><dd>", is, "</dd>\n")
		}
	}
	h.add("<dl>\n")
	item("Session", quote(string(o.Session)))
	item("Endpoint", quote(string(o.Endpoint)))
	item("Key of the technician", quote(o.Key))
	item("Key of the endpoint", quote(o.AgentKey))
	item("Opened", h.clock(at))
	h.add("</dl>\n")
}

// quote makes a record's string safe to stand in HTML.
func quote(s string) string { return html.EscapeString(vt.Plain(s)) }

// isolated returns safe text as HTML whose letters cannot reorder what is about it.
func isolated(s string) string { return "<bdi>" + html.EscapeString(s) + "</bdi>" }

func (h *HTML) clock(at time.Time) string {
	return `<time datetime="` + at.UTC().Format(time.RFC3339Nano) + `">` + html.EscapeString(h.stamp(at)) + "</time>"
}

func (h *HTML) head(at time.Time, st *step, again bool) {
	h.endPart()
	h.part = true
	if again {
		h.add(`<section class="step">`, "\n<h2>", link(st), ", continued: ", isolated(st.by), " ", h.clock(at), "</h2>\n")
		return
	}
	h.add(`<section class="step" id="step-`, itoa(st.n), "\">\n<h2>", link(st), ": ", isolated(st.by), " ", h.clock(at), "</h2>\n",
		`<pre class="command">`, "\n", html.EscapeString(st.command), "</pre>\n")
}

// link returns a link to where a step begins.
func link(st *step) string { return `<a href="#step-` + itoa(st.n) + `">Step ` + itoa(st.n) + "</a>" }

func (h *HTML) output(stream sessionlog.Stream, text []byte) {
	if h.stream != stream {
		h.endBlock()
		h.stream = stream
		name := sessionlog.Stdout.String()
		if stream == sessionlog.Stderr {
			name = stream.String()
			h.add(`<p class="stream">`, name, "</p>\n")
		}
		h.add(`<pre class="`, name, "\">\n") // HTML passes over a line's end that comes first
	}
	h.buf = appendEscaped(h.buf, text)
}

// appendEscaped appends text as html.EscapeString returns it.
func appendEscaped(dst, text []byte) []byte {
	for _, c := range text {
		switch c {
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '&':
			dst = append(dst, "&amp;"...)
		case '"':
			dst = append(dst, "&#34;"...)
		case '\'':
			dst = append(dst, "&#39;"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func (h *HTML) endBlock() {
	if h.stream != 0 {
		h.add("</pre>\n")
		h.stream = 0
	}
}

func (h *HTML) endPart() {
	h.endBlock()
	if h.part {
		h.add("</section>\n")
		h.part = false
	}
}

func (h *HTML) remark(at time.Time, st *step, r remark, open bool) {
	h.endBlock()
	where := ""
	if !open {
		h.endPart()
		where = link(st) + " " + h.clock(at) + ": "
	}
	h.add(`<p class="`, string(r.kind), `">`, where, html.EscapeString(r.text), "</p>\n")
}

func (h *HTML) note(at time.Time, by, text string, about time.Time) {
	h.endPart()
	h.add("<blockquote>\n<p>", isolated(by), " noted ", h.clock(at))
	if !about.IsZero() {
		h.add(", about ", h.clock(about))
	}
	h.add("</p>\n<p>", html.EscapeString(strings.TrimSpace(text)), "</p>\n</blockquote>\n")
}

func (h *HTML) incident(at time.Time, text string) {
	h.endPart()
	h.add("<p>", h.clock(at), " ", isolated(text), "</p>\n")
}

func (h *HTML) closed(at time.Time, by, why, did string) {
	h.endPart()
	h.add("<p>Session closed by ", isolated(by), " ", h.clock(at))
	if why != "" {
		h.add(": ", isolated(why))
	}
	h.add("</p>\n")
	if did != "" {
		h.add("<p>", html.EscapeString(did), "</p>\n")
	}
}

func (h *HTML) end(last sessionlog.Seq, open bool) {
	h.endPart()
	if open {
		h.add("<p>The session was open when this was written, up to its event ", itoa(int(last)), ".</p>\n")
	}
	h.add("</main>\n</body>\n</html>\n")
}
