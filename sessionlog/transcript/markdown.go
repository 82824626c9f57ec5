package transcript

import (
	"bytes"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// Markdown renders a session as CommonMark: a heading for each part of a step,
// output in fenced blocks, notes as quotes. A fence is longer than any run of
// backticks within it, so nothing in a block can end it.
type Markdown struct {
	page

	stream  sessionlog.Stream // of held and of the open block
	held    []byte            // output that is not in a block yet, at most maxHeld
	fence   int               // length of the open block's fence; 0 if none is open
	midline bool              // the open block's last line has no end
}

// maxHeld is how much output is looked through before its fence is chosen.
const maxHeld = 64 << 10

// minFence is the shortest fence there is.
const minFence = 3

// NewMarkdown returns a Markdown that writes to w.
func NewMarkdown(w io.Writer, opts Options) *Markdown {
	m := &Markdown{page: newPage(w, opts)}
	m.form = m
	return m
}

func (m *Markdown) begin(o sessionlog.Opened) {
	m.add("# ", escapeMarkdown(m.name))
	if o.Technician != "" {
		m.add(": session of ", escapeMarkdown(vt.Plain(o.Technician)))
	}
	m.add("\n\n")
}

func (m *Markdown) opened(at time.Time, o sessionlog.Opened) {
	item := func(what, is string) {
		if is != "" {
			m.add("- ", what, ": ", escapeMarkdown(vt.Plain(is)), "\n")
		}
	}
	item("Session", string(o.Session))
	item("Endpoint", string(o.Endpoint))
	item("Key of the technician", o.Key)
	item("Key of the endpoint", o.AgentKey)
	item("Opened", m.stamp(at))
	m.add("\n")
}

func (m *Markdown) head(at time.Time, st *step, again bool) {
	m.endBlock()
	m.add("## Step ", itoa(st.n))
	if again {
		m.add(", continued: ", escapeMarkdown(st.by), " at ", m.stamp(at), "\n\n")
		return
	}
	m.add(": ", escapeMarkdown(st.by), " at ", m.stamp(at), "\n\n")
	m.block("sh", []byte(st.command))
	m.closeFence()
}

func (m *Markdown) output(stream sessionlog.Stream, text []byte) {
	if m.stream != stream {
		m.endBlock()
		m.stream = stream
		if stream == sessionlog.Stderr {
			m.add("On stderr:\n\n")
		}
	}
	for len(text) > 0 {
		n := min(len(text), maxHeld-len(m.held))
		m.held, text = append(m.held, text[:n]...), text[n:]
		if len(m.held) == maxHeld {
			m.spill()
		}
	}
}

// spill puts what is held into a block, to the end of its last line that has
// one. In a line as long as all that is held, it cuts neither a character nor a
// run of backticks.
func (m *Markdown) spill() {
	cut := bytes.LastIndexByte(m.held, '\n') + 1
	if cut == 0 {
		cut = wholeRunes(bytes.TrimRight(m.held, "`"))
	}
	alone := cut == 0 // nothing but a run, which may be longer still
	if alone {
		cut = len(m.held)
	}
	m.block("text", m.held[:cut])
	if alone {
		m.closeFence()
	}
	m.held = append(m.held[:0], m.held[cut:]...)
}

// wholeRunes returns how many bytes of text are whole characters.
func wholeRunes(text []byte) int {
	n := len(text)
	for range utf8.UTFMax {
		if r, size := utf8.DecodeLastRune(text[:n]); r != utf8.RuneError || size != 1 {
			break
		}
		n--
	}
	return n
}

// block adds text to the open block, or to a new one where that has no fence, or
// none that is long enough.
func (m *Markdown) block(info string, text []byte) {
	if need := max(minFence, longestRun(text)+1); m.fence < need {
		m.closeFence()
		m.fence = need
		m.add(strings.Repeat("`", need), info, "\n")
	}
	m.buf = append(m.buf, text...)
	m.midline = !bytes.HasSuffix(text, []byte("\n"))
}

// longestRun returns the length of the longest run of backticks.
func longestRun(text []byte) int {
	longest, run := 0, 0
	for _, c := range text {
		if c != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

func (m *Markdown) closeFence() {
	if m.fence == 0 {
		return
	}
	if m.midline {
		m.add("\n")
	}
	m.add(strings.Repeat("`", m.fence), "\n\n")
	m.fence, m.midline = 0, false
}

// endBlock writes what is held and closes its block.
func (m *Markdown) endBlock() {
	if len(m.held) > 0 {
		m.block("text", m.held)
		m.held = m.held[:0]
	}
	m.closeFence()
	m.stream = 0
}

func (m *Markdown) remark(at time.Time, st *step, r remark, open bool) {
	m.endBlock()
	if !open {
		m.add("Step ", itoa(st.n), " at ", m.stamp(at), ": ")
	}
	m.add("**", escapeMarkdown(strings.TrimSpace(r.text)), "**\n\n")
}

func (m *Markdown) note(at time.Time, by, text string, about time.Time) {
	m.endBlock()
	m.add("> ", escapeMarkdown(by), " noted at ", m.stamp(at))
	if !about.IsZero() {
		m.add(", about ", m.stamp(about))
	}
	m.add(":\n>")
	blank := true
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line = escapeMarkdown(strings.TrimSpace(line))
		if !blank && line != "" {
			m.add("\\") // the line ends here
		}
		if blank = line == ""; blank {
			m.add("\n>")
			continue
		}
		m.add("\n> ", line)
	}
	m.add("\n\n")
}

func (m *Markdown) incident(at time.Time, text string) {
	m.endBlock()
	m.add(m.stamp(at), ": ", escapeMarkdown(text), "\n\n")
}

func (m *Markdown) closed(at time.Time, by, why, did string) {
	m.endBlock()
	m.add("Session closed by ", escapeMarkdown(by), " at ", m.stamp(at))
	if why != "" {
		m.add(": ", escapeMarkdown(why))
	}
	m.add("\n")
	if did != "" {
		m.add("\n", escapeMarkdown(did), "\n")
	}
}

func (m *Markdown) end(last sessionlog.Seq, open bool) {
	m.endBlock()
	if open {
		m.add("The session was open when this was written, up to its event ", itoa(int(last)), ".\n")
	}
}
