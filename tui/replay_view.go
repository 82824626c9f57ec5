package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/tui/replay"
	"github.com/caisey/caisey/tui/vt"
)

// A prompt is a line that is typed into a replay.
type prompt struct {
	lead string // "/" looks for text, ":" is an order
	edit editor
}

// drawReplay returns the rows of the screen and where the cursor is.
func (m *Model) drawReplay() ([]string, *tea.Cursor) {
	p := m.play
	speed := fmt.Sprintf("%gx", p.clock.Speed())
	if p.clock.SkipsIdle() {
		speed += "  skip idle 2s"
	}
	left := fmt.Sprintf("REPLAY %s  %s  %s", shortID(p.session.ID), vt.Plain(p.session.Path()), vt.Plain(p.session.Technician))
	rows := []string{m.bar(left, speed+"  READ ONLY ")}
	p.size = rect{0, 1, m.w, max(m.h-4, 1)}
	for _, row := range p.sheet(m).render(&p.scroll, p.size.h) {
		rows = append(rows, row.Text)
	}
	for len(rows) < m.h-3 {
		rows = append(rows, "")
	}
	rows = append(rows, m.theme.title.on(p.bar(m)))
	if p.prompt == nil {
		return append(rows, p.status(m)), nil
	}
	text, x := p.prompt.edit.view(m.w-len(p.prompt.lead)-1, m.method)
	x += len(p.prompt.lead)
	return append(rows, fit(p.prompt.lead+text, m.w, m.method)), tea.NewCursor(x, len(rows))
}

// status is the row under the bar: what the replay does, and the time it was.
func (p *playback) status(m *Model) string {
	word, look := p.word(m)
	rest := ""
	if last := p.clock.Last().Seq; last > 0 {
		rest = "  " + p.clock.Time().Local().Format("Jan 02 15:04:05") +
			fmt.Sprintf("   event %d of %d", p.clock.Shown().Seq, last)
		if p.state.far > 0 {
			rest += fmt.Sprintf("   searching, at event %d, Esc ends", p.state.far)
		}
	}
	if p.scroll.held {
		rest += "   held, f follows"
	}
	if p.text != "" && p.state.far == 0 {
		rest += "   n/N " + vt.Plain(p.text)
	}
	return " " + look.on(word) + fit(rest, m.w-len(word)-1, m.method)
}

// word says in a word what the replay does.
func (p *playback) word(m *Model) (string, paint) {
	switch {
	case p.clock.Last().Seq == 0:
		return "OPENING", m.theme.busy
	case p.clock.Held():
		return "SEEK", m.theme.busy
	case p.clock.Live():
		return "LIVE", m.theme.good
	case p.clock.Playing():
		return "PLAY", m.theme.good
	case p.clock.AtEnd() && p.clock.Sealed():
		return "END", m.theme.busy
	}
	return "PAUSE", m.theme.busy
}

// A markRow is the marks of a record on a row of some width.
type markRow struct {
	width  int
	length time.Duration
	marks  int // how many there were
	cells  []replay.MarkKind
}

// at returns the cell of a time.
func (r *markRow) at(d time.Duration) int {
	if r.length <= 0 {
		return 0
	}
	return min(int(float64(d)/float64(r.length)*float64(r.width-1)), r.width-1)
}

// update works the cells out anew if something changed. Of marks that share a
// cell, trouble is shown, or else a note.
func (r *markRow) update(marks []replay.Mark, width int, length time.Duration) {
	if r.width == width && r.length == length && r.marks == len(marks) {
		return
	}
	rank := map[replay.MarkKind]int{replay.Command: 1, replay.Note: 2, replay.Trouble: 3}
	r.width, r.length, r.marks, r.cells = width, length, len(marks), make([]replay.MarkKind, width)
	for _, mark := range marks {
		if i := r.at(mark.At); rank[mark.Kind] > rank[r.cells[i]] {
			r.cells[i] = mark.Kind
		}
	}
}

// bar is the row that shows the position among commands, notes and errors.
func (p *playback) bar(m *Model) string {
	pos, total := p.clock.Pos(), p.clock.Duration()
	text := fmt.Sprintf("| %s of %s ", clock(pos), clock(total))
	width := m.w - len(text) - 2
	if width < 4 {
		return fit(text, m.w, m.method)
	}
	var marks []replay.Mark
	if p.state.index != nil {
		marks = p.state.index.Marks()
	}
	r := &p.marks
	r.update(marks, width, total)
	var b strings.Builder
	for i, kind := range r.cells {
		switch {
		case i == r.at(pos):
			b.WriteByte('@')
		case kind != 0:
			b.WriteByte(byte(kind))
		case i < r.at(pos):
			b.WriteString(m.theme.barDone)
		default:
			b.WriteString(m.theme.barLeft)
		}
	}
	return " |" + b.String() + text
}
