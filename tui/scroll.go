package tui

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/tui/replay"
	"github.com/caisey/caisey/tui/vt"
)

// A place is one row of a transcript: a row of a line of a block.
type place struct{ block, line, row int }

// A scroll is the part of a transcript that is in sight: its end while it
// follows, otherwise what begins at top.
type scroll struct {
	held bool
	top  place
}

// A sheet draws a transcript into rows of a width.
type sheet struct {
	*transcript
	theme  *theme
	method ansi.Method
	width  int
	now    time.Time
	text   string // to be lit, in lower case
	hit    *place // the line to point at, or nil
}

// rows returns the rows of one line.
func (s *sheet) rows(b *block, line int) []vt.Line {
	if line == header {
		return s.header(b)
	}
	if line == answerLine {
		return s.answer(b)
	}
	l := s.line(b, line)
	rows := l.Wrap(s.width-2, s.method)
	out := make([]vt.Line, len(rows))
	for i, row := range rows {
		gutter := "  "
		switch {
		case i == 0 && s.hit != nil && s.hit.block == b.n && s.hit.line == line:
			gutter = s.theme.bar.on(">") + " "
		case l.Tag == tagStderr && i == 0:
			gutter = s.theme.bad.on("!") + " "
		case l.Tag == tagOurs:
			gutter, row.Text = "= ", s.theme.dim.on(row.Text)
		}
		out[i] = vt.Line{Text: gutter + row.Text, Width: row.Width + 2}
	}
	return out
}

func (s *sheet) count(b *block, line int) int {
	if line == header {
		return len(s.header(b))
	}
	if line == answerLine {
		return len(s.answerRows(b))
	}
	return s.line(b, line).Rows(s.width-2, s.method)
}

// line returns a line of a block as it is drawn.
func (s *sheet) line(b *block, line int) vt.Line {
	l := b.line(line)
	if s.text == "" || !replay.Contains(l.Text, s.text) {
		return s.theme.bleach(l)
	}
	return vt.Line{Text: s.lit(ansi.Strip(l.Text), paint{}), Width: l.Width, Tag: l.Tag}
}

// lit returns plain text in a look, with what is searched for lit in it.
func (s *sheet) lit(plain string, look paint) string {
	lower := strings.ToLower(plain)
	if s.text == "" || len(lower) != len(plain) { // where it stands cannot be told
		return look.on(plain)
	}
	out := ""
	for {
		i := strings.Index(lower, s.text)
		end := i + len(s.text)
		if i < 0 || !utf8.ValidString(plain[:i]) || !utf8.ValidString(plain[i:end]) {
			return out + look.on(plain)
		}
		out += look.on(plain[:i]) + s.theme.bar.on(plain[i:end])
		plain, lower = plain[end:], lower[end:]
	}
}

// header returns the rows of a block's first line: time, who, what, and at the
// right what became of it.
func (s *sheet) header(b *block) []vt.Line {
	left := b.at.Local().Format("15:04:05") + " " + b.who + " "
	if b.step != "" {
		left += "> "
	}
	word, look := s.theme.outcome(b, s.now)
	room := max(s.width-len(word)-2, 20)
	if word == "" || room > s.width {
		room = s.width
	}
	full := vt.PlainLine(left + b.text)
	rows := full.Wrap(room, s.method)
	out := make([]vt.Line, 0, len(rows))
	for i, row := range rows {
		text := s.lit(row.Text, s.theme.strong)
		if i == 0 && word != "" && room < s.width {
			text += fit("", max(room-row.Width, 0)+2, s.method) + look.on(word)
			row.Width = s.width
		}
		out = append(out, vt.Line{Text: text, Width: row.Width})
	}
	return out
}

// next and prev return the place of the neighbouring line, and false at the end.
func (s *sheet) next(p place) (place, bool) {
	b := s.block(p.block)
	line := p.line + 1
	switch {
	case p.line == header && b.told != nil:
		return place{p.block, answerLine, 0}, true
	case p.line < 0:
		line = b.first()
	}
	if line < b.end() {
		return place{p.block, line, 0}, true
	}
	if s.block(p.block+1) == nil {
		return p, false
	}
	return place{p.block + 1, header, 0}, true
}

func (s *sheet) prev(p place) (place, bool) {
	b := s.block(p.block)
	switch {
	case p.line > b.first():
		return place{p.block, p.line - 1, 0}, true
	case p.line >= 0 && b.told != nil:
		return place{p.block, answerLine, 0}, true
	case p.line != header:
		return place{p.block, header, 0}, true
	}
	if b = s.block(p.block - 1); b == nil {
		return p, false
	}
	return s.lastOf(b), true
}

func (s *sheet) lastOf(b *block) place {
	if b.end() > b.first() {
		return place{b.n, b.end() - 1, 0}
	}
	if b.told != nil {
		return place{b.n, answerLine, 0}
	}
	return place{b.n, header, 0}
}

// valid returns p, or the nearest place that is kept.
func (s *sheet) valid(p place) place {
	b := s.block(p.block)
	switch {
	case b == nil:
		return place{s.blocks[0].n, header, 0}
	case p.line == header || p.line == answerLine && b.told != nil:
	case p.line >= b.end():
		p = s.lastOf(b)
	case p.line < b.first():
		p = place{p.block, b.first(), 0}
		if b.end() == b.first() {
			p = s.lastOf(b)
		}
	}
	p.row = min(p.row, s.count(b, p.line)-1)
	return p
}

// up returns the place n rows above p, or the first.
func (s *sheet) up(p place, n int) place {
	for n > p.row {
		n -= p.row
		q, ok := s.prev(p)
		if !ok {
			return place{p.block, p.line, 0}
		}
		p = q
		p.row = s.count(s.block(p.block), p.line)
	}
	p.row -= n
	return p
}

// down returns the place n rows below p, or the last.
func (s *sheet) down(p place, n int) place {
	for {
		rows := s.count(s.block(p.block), p.line)
		if p.row+n < rows {
			p.row += n
			return p
		}
		n -= rows - p.row
		q, ok := s.next(p)
		if !ok {
			p.row = rows - 1
			return p
		}
		p = q
	}
}

// tail returns where a screen of height rows begins that shows the end.
func (s *sheet) tail(height int) place {
	p := s.lastOf(s.blocks[len(s.blocks)-1])
	p.row = s.count(s.block(p.block), p.line) - 1
	return s.up(p, height-1)
}

// render returns the rows in sight, at most height.
func (s *sheet) render(sc *scroll, height int) []vt.Line {
	if len(s.blocks) == 0 || height <= 0 {
		return nil
	}
	if sc.held {
		sc.top = s.valid(sc.top)
	} else {
		sc.top = s.following(height)
	}
	out := make([]vt.Line, 0, height)
	p, skip := sc.top, sc.top.row
	for {
		for _, row := range s.rows(s.block(p.block), p.line)[skip:] {
			if len(out) == height {
				return out
			}
			out = append(out, row)
		}
		q, ok := s.next(p)
		if !ok {
			return out
		}
		p, skip = q, 0
	}
}

// move scrolls by n rows, up if negative, and holds.
func (s *sheet) move(sc *scroll, n, height int) {
	if len(s.blocks) == 0 {
		return
	}
	end := s.tail(height)
	if !sc.held {
		sc.top = s.following(height)
	}
	sc.held, sc.top = true, s.valid(sc.top)
	if n < 0 {
		sc.top = s.up(sc.top, -n)
		return
	}
	if sc.top = s.down(sc.top, n); end.before(sc.top) {
		sc.top = end
	}
}

func (p place) before(q place) bool {
	if p.block != q.block {
		return p.block < q.block
	}
	if p.line != q.line {
		return p.line < q.line
	}
	return p.row < q.row
}

// jump holds at the header of the next block (by > 0) or the one before.
func (s *sheet) jump(sc *scroll, by, height int) {
	if len(s.blocks) == 0 {
		return
	}
	if !sc.held {
		sc.top = s.following(height)
	}
	p := s.valid(sc.top)
	n := p.block + by
	if by < 0 && (p.line != header || p.row > 0) {
		n = p.block
	}
	if b := s.block(n); b != nil {
		sc.held, sc.top = true, place{n, header, 0}
	}
}

// atTop reports whether nothing that is kept is above p.
func (s *sheet) atTop(p place) bool {
	return len(s.blocks) == 0 || p == place{s.blocks[0].n, header, 0}
}

// reveal brings p into sight: where it is in sight when following, it follows.
func (s *sheet) reveal(sc *scroll, p place, height int) {
	end := s.tail(height)
	if sc.held = p.before(end) || end != s.following(height); sc.held {
		if sc.top = s.up(p, height/3); end.before(sc.top) {
			sc.top = end
		}
	}
}

// locate returns where a hit stands, just after its event was folded in, or
// where its step's newest line does.
func (s *sheet) locate(h replay.Hit, text string) (place, bool) {
	b := s.byStep[h.Step]
	for i := len(s.blocks) - 1; b == nil && i >= 0; i-- {
		if s.blocks[i].step == h.Step {
			b = s.blocks[i]
		}
	}
	switch {
	case b == nil:
		return place{}, false
	case h.Head || b.ring.Len() == 0 && b.told == nil:
		return place{b.n, header, 0}, true
	}
	if b.told != nil {
		return s.locateAnswer(b, text), true
	}
	last := b.ring.Dropped() + b.ring.Len() - 1
	for n, left := last, h.Nth; text != "" && n >= b.first(); n-- {
		if l := b.ring.At(n); l.Tag != tagOurs && replay.Contains(l.Text, text) {
			if left == 0 {
				return place{b.n, n, 0}, true
			}
			left--
		}
	}
	return place{b.n, last, 0}, true
}
