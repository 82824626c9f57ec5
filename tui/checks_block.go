package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/replay"
	"github.com/caisey/caisey/tui/vt"
)

// How much of an answer its block in the transcript shows.
const (
	foldFindings = 8
	foldRows     = 10 // of the first table
	foldLater    = 5  // of a later one
	foldWrap     = 3  // rows of a finding
)

// A laid is an answer laid out, kept until it changes.
type laid struct {
	version, width int
	over           bool
	method         ansi.Method
	more           string
	rows           []textRow // never empty once laid out
}

// answerRows returns the rows of what b's check has told.
func (s *sheet) answerRows(b *block) []textRow {
	d := b.told
	now := laid{d.version, s.width - 2, b.ended != nil, s.method, s.theme.more, nil}
	if l := d.laid; l.rows == nil || l.version != now.version || l.width != now.width || l.over != now.over || l.method != now.method || l.more != now.more {
		now.rows = d.lay(now)
		d.laid = now
		s.keepLaid(d)
	}
	return d.laid.rows
}

// manyLaid is how many answers' layouts are kept.
const manyLaid = 64

// keepLaid notes that d's layout is kept, and lets go of an older one.
func (t *transcript) keepLaid(d *told) {
	if slices.Contains(t.laid, d) {
		return
	}
	if t.laid = append(t.laid, d); len(t.laid) > manyLaid {
		t.laid[0].laid = laid{}
		t.laid = slices.Delete(t.laid, 0, 1)
	}
}

// lay lays the answer out: findings, tables, what came of it, and how much evidence
// there is.
func (d *told) lay(l laid) []textRow {
	var out []textRow
	for _, text := range d.said {
		out = wrapped(out, "", text, rowOurs, l.width, foldWrap, l.method, l.more)
	}
	if d.unsaid > 0 {
		out = append(out, textRow{l.more + " " + plural(d.unsaid, "more line") + " about it", rowOurs})
	}
	worst := d.Worst()
	for _, f := range worst[:min(len(worst), foldFindings)] {
		out = wrapped(out, severityWord(f.Severity), f.Text, severityKind(f.Severity), l.width, foldWrap, l.method, l.more)
	}
	if n := len(worst) - foldFindings + d.lost; n > 0 && len(worst) >= foldFindings {
		out = append(out, textRow{l.more + " " + plural(n, "more finding") + ", enter opens the table", rowDim})
	}
	most := foldRows
	for i := range d.Tables {
		if rows := d.layTable(i, most, l); rows != nil {
			out, most = append(out, rows...), foldLater
		}
	}
	text, kind := d.outcome(l.over)
	out = wrapped(out, "", text, kind, l.width, foldWrap, l.method, l.more)
	if d.torn {
		out = append(out, textRow{"this is not all of the answer", rowWarn})
	}
	if text := d.aside(); text != "" {
		out = append(out, textRow{text, rowDim})
	}
	for i := range out {
		out[i].text = cutTo(out[i].text, l.width, l.method, l.more)
	}
	return out
}

func cutTo(s string, width int, method ansi.Method, more string) string {
	if method.StringWidth(s) <= width {
		return s
	}
	return method.Truncate(s, width, more)
}

// layTable lays out the first rows of a table; of a live one, the newest.
func (d *told) layTable(i, most int, l laid) []textRow {
	t := &d.Tables[i]
	before := d.gone[i]
	if len(t.Rows)+before+t.More == 0 {
		return nil
	}
	rows := t.Rows
	if t.Live {
		before += max(0, len(rows)-most)
		rows = rows[max(0, len(rows)-most):]
	}
	rows = rows[:min(len(rows), most)]
	cells := [][]string{t.Heads()}
	for _, row := range rows {
		cells = append(cells, t.Cells(row))
	}
	var out []textRow
	if t.Name != "" {
		out = append(out, textRow{strings.ToUpper(t.Name), rowStrong})
	}
	g := newGrille(l.method, l.more, t.Columns, cells, l.width)
	if before > 0 {
		out = append(out, textRow{fmt.Sprintf("%s %s before these", l.more, plural(before, "row")), rowDim})
	}
	for n, row := range cells {
		kind := rowPlain
		if n == 0 {
			kind = rowHead
		}
		out = append(out, textRow{g.row(row), kind})
	}
	if text := d.left(i, len(rows), before, len(t.Columns)-len(g.widths)); text != "" {
		out = append(out, textRow{l.more + " " + text + ", enter opens the table", rowDim})
	}
	return out
}

// left says how much of a table its block leaves out, or returns "".
func (d *told) left(i, shown, before, columns int) string {
	t := &d.Tables[i]
	var parts []string
	if n := d.gone[i] + len(t.Rows) + t.More - shown - before; n > 0 {
		parts = append(parts, plural(n, "more row"))
	}
	if columns > 0 {
		parts = append(parts, plural(columns, "more column"))
	}
	return strings.Join(parts, ", ")
}

// outcome says what came of the check, once it is over or so far.
func (d *told) outcome(over bool) (string, rowKind) {
	text, kind := d.Verdict(), rowGood
	switch {
	case d.lost > 0:
		text = plural(len(d.Findings)+d.lost, "finding")
		fallthrough
	case len(d.Findings) > 0:
		kind = severityKind(d.Worst()[0].Severity)
		if d.End == nil && !over {
			text += " so far"
		}
	case d.End == nil && over:
		text, kind = "no verdict: it ended before it gave one", rowWarn
	case d.End == nil:
		kind = rowDim
		if n := d.rows(); n > 0 {
			text = plural(n, "row") + " so far"
		}
	case d.End.Verdict == check.CannotTell:
		kind = rowWarn
	case d.torn:
		text, kind = "nothing found in what was read", rowWarn
	}
	if d.End != nil && d.End.Why != "" && len(d.Findings) > 0 {
		text += "; cannot tell all: " + d.End.Why
	}
	return vt.Plain(text), kind
}

// aside says what else there is to know of the answer.
func (d *told) aside() string {
	var parts []string
	if d.End != nil && d.End.LeftOut > 0 {
		parts = append(parts, plural(d.End.LeftOut, "row")+" over the check's limit")
	}
	if d.links > 0 {
		parts = append(parts, plural(d.links, "link")+" to others")
	}
	if d.Bad > 0 {
		parts = append(parts, plural(d.Bad, "line")+" that "+isAre(d.Bad)+" no answer")
	}
	if d.evidence > 0 {
		parts = append(parts, "raw evidence "+grouped(d.evidence)+" bytes")
	}
	if d.tools > 0 {
		parts = append(parts, "tools said "+grouped(d.tools)+" bytes")
	}
	if d.evidence+d.tools > 0 {
		hint := "R shows it"
		if d.raw {
			hint = "R hides it"
		}
		parts = append(parts, hint)
	}
	return strings.Join(parts, ", ")
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// brief is what came of a check in a word or two.
func (d *told) brief() (string, rowKind) {
	text, kind := d.outcome(true)
	switch {
	case len(d.Findings) > 0:
		return plural(len(d.Findings)+d.lost, "finding"), kind
	case d.End == nil:
		return "no verdict", kind
	case d.End.Verdict == check.CannotTell:
		return "cannot tell", kind
	}
	return text, kind
}

// answer returns the rows of a block's answer as they are drawn.
func (s *sheet) answer(b *block) []vt.Line {
	rows := s.answerRows(b)
	out := make([]vt.Line, len(rows))
	for i, row := range rows {
		gutter := "  "
		if row.kind == rowOurs {
			gutter = "= "
		}
		out[i] = vt.Line{Text: gutter + s.lit(row.text, s.theme.look(row.kind)), Width: s.method.StringWidth(row.text) + 2}
	}
	return out
}

// following returns where a screen of height rows begins that follows: it shows the
// end, but of an answer that is longer than the screen the beginning, where its
// findings are.
func (s *sheet) following(height int) place {
	end := s.tail(height)
	b := s.blocks[len(s.blocks)-1]
	if b.told == nil || b.told.raw || b.told.live() {
		return end
	}
	if first := (place{b.n, header, 0}); first.before(end) {
		return first
	}
	return end
}

// cut returns how many rows of the newest answer are below a screen that follows.
func (s *sheet) cut(sc *scroll, height int) int {
	if sc.held || len(s.blocks) == 0 {
		return 0
	}
	end, at := s.tail(height), s.following(height)
	if at == end {
		return 0
	}
	b := s.blocks[len(s.blocks)-1]
	return s.count(b, header) + s.count(b, answerLine) - height
}

// chosen returns the check that the keys are about: of what is held, the first one in
// sight; otherwise the newest step, if it is a check.
func (s *sheet) chosen(sc *scroll, height int) *block {
	switch {
	case len(s.blocks) == 0:
		return nil
	case !sc.held:
		for i := len(s.blocks) - 1; i >= 0; i-- {
			if b := s.blocks[i]; b.step != "" {
				return b.ifCheck()
			}
		}
		return nil
	}
	p := s.valid(sc.top)
	last := s.down(p, max(height-1, 0))
	for n := p.block; n <= last.block; n++ {
		if b := s.block(n); b != nil && b.told != nil {
			return b
		}
	}
	return nil
}

func (b *block) ifCheck() *block {
	if b.told == nil {
		return nil
	}
	return b
}

// asked returns what b's check was asked.
func (b *block) asked() (check.Ask, bool) {
	a, err := check.Parse(b.command)
	return a, err == nil && b.told != nil
}

// hides reports whether b's lines are evidence that is not shown.
func (b *block) hides() bool { return b.told != nil && !b.told.raw }

// locateAnswer returns where text is in an answer: in its rows, or else in its
// evidence, which is shown then.
func (s *sheet) locateAnswer(b *block, text string) place {
	for i, row := range s.answerRows(b) {
		if text != "" && replay.Contains(row.text, text) {
			return place{b.n, answerLine, i}
		}
	}
	for n := b.ring.Dropped() + b.ring.Len() - 1; text != "" && n >= b.first(); n-- {
		if replay.Contains(b.ring.At(n).Text, text) {
			s.showEvidence(b, true)
			return place{b.n, n, 0}
		}
	}
	return place{b.n, answerLine, 0}
}

// showEvidence shows the evidence of a check's block, or hides it.
func (s *sheet) showEvidence(b *block, on bool) {
	b.told.raw = on
	b.told.version++
}
