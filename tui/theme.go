package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/tui/vt"
)

// A theme says how each thing on the screen looks. It uses the terminal's own
// sixteen colours, so that it fits every palette; state is always a word too.
type theme struct {
	bar    paint // the first and the last row
	title  paint // of a pane
	focus  paint // the title of the focused pane
	good   paint // online, exit 0
	bad    paint // offline, failed
	busy   paint // running, waiting
	dim    paint // what matters less
	strong paint
	cursor paint // the row under the cursor

	noColor bool
	glyphs
}

// glyphs are the signs that ASCII terminals see otherwise. Each is one cell.
type glyphs struct {
	rule, focusRule, wall, more string
	barDone, barLeft            string
}

// newTheme returns the theme for a terminal with a dark or a light background.
func newTheme(dark, noColor, ascii bool) theme {
	t := theme{noColor: noColor, glyphs: glyphs{"─", "━", "│", "…", "━", "─"}}
	if ascii {
		t.glyphs = glyphs{"-", "=", "|", "~", "=", "-"}
	}
	t.strong = sgr(ansi.AttrBold)
	t.bar, t.focus, t.cursor = sgr(ansi.AttrReverse), sgr(ansi.AttrBold), sgr(ansi.AttrBold)
	if noColor {
		t.bad, t.busy = t.strong, t.strong
		return t
	}
	t.dim = sgr(ansi.AttrBrightBlackForegroundColor)
	if dark {
		t.good, t.bad = sgr(ansi.AttrBrightGreenForegroundColor), sgr(ansi.AttrBold, ansi.AttrBrightRedForegroundColor)
		t.busy, t.title = sgr(ansi.AttrBrightYellowForegroundColor), sgr(ansi.AttrCyanForegroundColor)
		t.focus = sgr(ansi.AttrBold, ansi.AttrBrightCyanForegroundColor)
		return t
	}
	t.good, t.bad = sgr(ansi.AttrGreenForegroundColor), sgr(ansi.AttrBold, ansi.AttrRedForegroundColor)
	t.busy, t.title = sgr(ansi.AttrMagentaForegroundColor), sgr(ansi.AttrBlueForegroundColor)
	t.focus = sgr(ansi.AttrBold, ansi.AttrBlueForegroundColor)
	return t
}

// A paint is the SGR sequence that begins a look; "" is the terminal's own.
type paint string

func sgr(attrs ...ansi.Attr) paint { return paint(ansi.SGR(attrs...)) }

// on returns s in the look.
func (p paint) on(s string) string {
	if p == "" || s == "" {
		return s
	}
	return string(p) + s + "\x1b[m"
}

// fit returns s, which has no SGR, as exactly width cells.
func fit(s string, width int, m ansi.Method) string {
	if width <= 0 {
		return ""
	}
	if w := m.StringWidth(s); w > width {
		s = m.Truncate(s, width, "~")
	}
	return s + strings.Repeat(" ", max(0, width-m.StringWidth(s)))
}

// ends returns a row of width cells with left and right at its ends. Left gives
// way.
func ends(left, right string, width int, m ansi.Method) string {
	rw := m.StringWidth(right)
	if rw+8 > width {
		return fit(left, width, m)
	}
	return fit(left, width-rw, m) + right
}

// bleach takes colours out of a line that an endpoint coloured.
func (t theme) bleach(l vt.Line) vt.Line {
	if !t.noColor || l.ASCII {
		return l
	}
	plain := vt.PlainLine(l.Text)
	plain.Tag = l.Tag
	return plain
}
