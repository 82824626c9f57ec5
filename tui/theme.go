package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
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
	bold := lipgloss.NewStyle().Bold(true)
	t.strong, t.cursor, t.focus = look(bold), look(bold), look(bold)
	t.bar = look(lipgloss.NewStyle().Reverse(true))
	if noColor {
		t.bad, t.busy = t.strong, t.strong
		return t
	}
	color := lipgloss.NewStyle().Foreground
	pick := lipgloss.LightDark(dark)
	t.dim = look(color(lipgloss.BrightBlack))
	t.good = look(color(pick(lipgloss.Green, lipgloss.BrightGreen)))
	t.bad = look(bold.Foreground(pick(lipgloss.Red, lipgloss.BrightRed)))
	t.busy = look(color(pick(lipgloss.Magenta, lipgloss.BrightYellow)))
	t.title = look(color(pick(lipgloss.Blue, lipgloss.Cyan)))
	t.focus = look(bold.Foreground(pick(lipgloss.Blue, lipgloss.BrightCyan)))
	return t
}

// A paint is what stands before and behind a text in a look; the zero value is
// the terminal's own. It is rendered once, since screens paint every frame.
type paint struct{ before, after string }

func look(style lipgloss.Style) paint {
	before, after, _ := strings.Cut(style.Render("x"), "x")
	return paint{before, after}
}

// on returns s in the look.
func (p paint) on(s string) string {
	if s == "" {
		return s
	}
	return p.before + s + p.after
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
