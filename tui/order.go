package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

// An order is one approval that is looked at. What will run stays as it was when it
// was opened, whatever comes in: that is what an answer is about.
type order struct {
	console.Approval
	gone    bool    // it waits no longer
	other   bool    // something else waits under its step's name
	asking  *answer // what is being answered, or nil
	pending bool    // an answer was given, and not yet taken

	text  []vt.Line // what it says, a line each; nil after a change
	rows  []string  // the same in rows of width
	width int
	top   int  // first row in sight
	page  int  // rows in sight at the last look
	read  bool // its end was in sight

	// unseen is when it came on the screen, if the key that opened it has begun an
	// answer already; otherwise zero.
	unseen time.Time
}

// sameOrder reports whether two approvals are about the same, to the last byte.
func sameOrder(a, b console.Approval) bool {
	return a.Session == b.Session && a.Step == b.Step && a.Digest == b.Digest && a.Command == b.Command && a.Effect == b.Effect &&
		a.Timeout == b.Timeout && a.By == b.By && a.Endpoint == b.Endpoint && a.Path() == b.Path() && a.Reason == b.Reason && a.Undo == b.Undo
}

// orderNews takes what the list says of what is looked at.
func (m *Model) orderNews() {
	o := m.app.open
	if o.gone || o.other {
		return
	}
	i := m.app.find(o.Step)
	switch {
	case i < 0:
		o.gone, o.asking = true, nil
		if !o.pending {
			m.notice, m.alarm = "it waits no longer: answered by somebody else, cancelled, or out of time", true
		}
	case !sameOrder(o.Approval, m.app.all[i]):
		o.other, o.asking = true, nil
		m.notice, m.alarm = "it is not what was shown any more: go back and look again", true
	default:
		o.Approval = m.app.all[i]
		o.text = nil
	}
}

// facts returns what the order says, in ASCII: what runs, then what is to be known
// of it.
func (o *order) facts() [][2]string {
	limit := "none"
	if o.Timeout > 0 {
		limit = time.Duration(o.Timeout * float64(time.Second)).String()
	}
	you := "you may not approve it"
	switch {
	case o.Mine:
		you = "you asked for it: somebody else must approve it"
	case o.May:
		you = "you may approve it"
	}
	facts := [][2]string{
		{"command", o.Command},
		{"effect", string(o.Effect)},
		{"endpoint", o.Path()},
		{"asked by", o.By},
		{"reason", o.Reason},
		{"undo", o.Undo},
		{"time limit", limit},
		{"approved by", strings.Join(o.Granted, ", ")},
		{"needs", fmt.Sprintf("%d, has %d", o.Need, len(o.Granted))},
		{"rule", strings.Join(o.Rules, ", ")},
		{"you", you},
		{"asked at", o.Asked.Local().Format("15:04:05")},
		{"expires at", o.Expires.Local().Format("15:04:05")},
		{"session", string(o.Session)},
		{"step", string(o.Step)},
		{"digest", o.Digest},
	}
	for i := range facts {
		if facts[i][1] = vt.ASCII(facts[i][1]); facts[i][1] == "" {
			facts[i][1] = "-"
		}
	}
	return facts
}

// label is how many cells the name of a fact takes.
const label = 13

// layOut works the rows out for a width.
func (o *order) layOut(t *theme, width int) {
	if o.text != nil && o.width == width {
		return
	}
	facts := o.facts()
	if o.text == nil {
		o.text = make([]vt.Line, len(facts))
		for i, f := range facts {
			o.text[i] = vt.PlainLine(f[1])
		}
	}
	o.width, o.rows = width, o.rows[:0]
	for i, line := range o.text {
		look := paint{}
		if i == 0 {
			look = t.strong
		}
		name := " " + facts[i][0]
		for _, row := range line.Wrap(width-label-1, ansi.WcWidth) {
			o.rows = append(o.rows, t.title.on(fit(name, label, ansi.WcWidth))+look.on(row.Text))
			name = ""
		}
	}
}

// scroll moves what is in sight.
func (o *order) scroll(pages, rows int) {
	o.top = min(max(o.top+pages*o.page+rows, 0), max(0, len(o.rows)-o.page))
}

// window returns which rows are in sight where there is room for height. Once its
// end was in sight the order counts as read.
func (o *order) window(height int) []string {
	o.page = max(height, 1)
	o.scroll(0, 0)
	to := min(len(o.rows), o.top+o.page)
	o.read = o.read || to == len(o.rows)
	return slices.Clone(o.rows[o.top:to])
}

// state says in words how the order stands.
func (o *order) state(now time.Time) string {
	switch {
	case o.gone:
		return "WAITS NO LONGER"
	case o.other:
		return "CHANGED, look again"
	}
	return "WAITING " + clock(o.Expires.Sub(now)) + " left"
}
