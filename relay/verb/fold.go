package verb

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// maxEnd is how many bytes of a stream are held from its start, and again from
// its end: 1 MiB for a target with its two streams.
const maxEnd = 256 << 10

// A hold keeps one safe stream of a target until all targets have ended. Of a
// long one it keeps the head and the tail. The zero value is ready.
type hold struct {
	head []byte
	tail []byte // a ring once it is full
	past int64  // bytes that came after the head
	sum  hash.Hash
}

func (h *hold) write(p []byte) {
	if len(p) == 0 {
		return // as if there were no stream
	}
	if h.sum == nil {
		h.sum = sha256.New()
	}
	h.sum.Write(p)
	n := min(len(p), maxEnd-len(h.head))
	h.head, p = append(h.head, p[:n]...), p[n:]
	for len(p) > 0 {
		if h.tail == nil {
			h.tail = make([]byte, maxEnd)
		}
		n := copy(h.tail[h.past%maxEnd:], p)
		h.past, p = h.past+int64(n), p[n:]
	}
}

// id tells two streams apart, in what is not held too.
func (h *hold) id() string {
	if h.sum == nil {
		return ""
	}
	return string(h.sum.Sum(nil))
}

// text returns what is held, with a line about what is not.
func (h *hold) text() string {
	if h.past <= maxEnd {
		return string(h.head) + string(h.tail[:h.past])
	}
	at := h.past % maxEnd
	head := wholeEnd(h.head)
	tail := wholeStart(slices.Concat(h.tail[at:], h.tail[:at]))
	left := int64(len(h.head)) + h.past - int64(len(head)+len(tail))
	return fmt.Sprintf("%s[… %d bytes left out …]\n%s", block(string(head)), left, tail)
}

// wholeEnd returns b without the begin of a colour or of a character at its end.
func wholeEnd(b []byte) []byte {
	if i := bytes.LastIndexByte(b, 0x1b); i >= 0 && bytes.IndexByte(b[i:], 'm') < 0 {
		b = b[:i]
	}
	for i := 1; i <= min(utf8.UTFMax, len(b)); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				b = b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// wholeStart returns b without the end of a character at its start. The end of a
// colour stays: without its ESC it is text.
func wholeStart(b []byte) []byte {
	for len(b) > 0 && !utf8.RuneStart(b[0]) {
		b = b[1:]
	}
	return b
}

// block returns text in whole lines. A style that a line leaves on ends there.
func block(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		b.WriteString(line)
		if strings.IndexByte(line, 0x1b) >= 0 && !strings.HasSuffix(line, "\x1b[m") {
			b.WriteString("\x1b[m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// folded is what one target printed, held back by --fold.
type folded struct{ out, err hold }

func (f *folded) stream(id sessionlog.Stream) *hold {
	if id == sessionlog.Stderr {
		return &f.err
	}
	return &f.out
}

// A foldKey is what targets of one group have in common.
type foldKey struct {
	state    sessionlog.Outcome
	exit     int
	out, err string
}

// A group is targets that ended alike.
type group struct {
	key   foldKey
	paths []string // sorted
	held  *folded  // of any of them
}

// groups returns results in groups: the largest first, among equals those that
// are ok, then by path.
func groups(results []result) []*group {
	byKey := map[foldKey]*group{}
	var all []*group
	for _, res := range results {
		k := foldKey{res.state, res.exit, res.held.out.id(), res.held.err.id()}
		if byKey[k] == nil {
			byKey[k] = &group{key: k, held: res.held}
			all = append(all, byKey[k])
		}
		byKey[k].paths = append(byKey[k].paths, res.name())
	}
	for _, g := range all {
		slices.Sort(g.paths)
	}
	bad := func(g *group) int {
		if g.key.state == sessionlog.OK {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b *group) int {
		return cmp.Or(cmp.Compare(len(b.paths), len(a.paths)), cmp.Compare(bad(a), bad(b)), cmp.Compare(a.paths[0], b.paths[0]))
	})
	return all
}

// state says how the group's targets ended.
func (g *group) state() string {
	if g.key.state == sessionlog.Failed && g.key.exit >= 0 {
		return fmt.Sprintf("%s, exit %d", g.key.state, g.key.exit)
	}
	return string(g.key.state)
}

// label names the group in a diff.
func (g *group) label() string { return vt.Plain(fmt.Sprintf("%s (%d)", g.paths[0], len(g.paths))) }

// printFolded prints what the targets printed, once for each group.
func (r *running) printFolded(results []result) {
	all := groups(results)
	first := all[0].held.out.text()
	for i, g := range all {
		text, note := first, ""
		if i > 0 {
			text, note = odd(all[0], g, first)
		}
		r.out.data(header(g, note))
		r.out.data([]byte(block(text)))
		if text := g.held.err.text(); text != "" {
			r.out.aside(header(g, ", stderr"))
			r.out.aside([]byte(block(text)))
		}
	}
}

// header returns the line above a group's text.
func header(g *group, note string) []byte {
	return fmt.Appendf(nil, "---- %s ----\n", vt.Plain(fmt.Sprintf("%s (%d): %s%s", strings.Join(g.paths, ","), len(g.paths), g.state(), note)))
}

// odd returns the stdout of g, a smaller group than most: as its difference to
// most, whose text is first, where that is shorter.
func odd(most, g *group, first string) (text, note string) {
	text = g.held.out.text()
	if first == "" || text == "" {
		return text, ""
	}
	if g.key.out == most.key.out {
		return "", ", stdout as " + most.label()
	}
	diff, err := udiff.ToUnified(most.label(), g.label(), first, udiff.Lines(first, text), udiff.DefaultContextLines)
	if err != nil || diff == "" || len(diff) >= len(text) {
		return text, "" // an empty diff: they differ in what was left out
	}
	return diff, ""
}
