package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// A form is the parameters of one check as they are typed.
type form struct {
	spec   check.Spec
	fields []field
	list           // the field with the cursor
	sure   *editor // a yes is typed; nil before
	tab    tabbed
}

// A field is one parameter. Its reason is why a change is asked for, which is no
// parameter.
type field struct {
	check.Param
	edit   editor
	reason bool
}

// openForm asks for the parameters of the check under the cursor.
func (m *Model) openForm() {
	row := m.pick.under()
	if row == nil {
		return
	}
	f := &form{spec: row.Spec}
	for _, p := range row.Params {
		f.fields = append(f.fields, field{Param: p})
	}
	if row.Effect == sessionlog.EffectChange {
		why := check.Param{Name: "reason", Summary: "why, for whoever has to approve it", Type: check.AText}
		f.fields = append(f.fields, field{Param: why, reason: true})
	}
	if len(f.fields) == 0 {
		m.say(row.name + " has no parameters; Enter asks it")
		return
	}
	m.pick.form = f
}

// err says why a field can not be as it is.
func (f *field) err() error {
	v := f.edit.String()
	if v == "" && f.Required && f.Default == "" {
		return fmt.Errorf("it is needed")
	}
	return f.Err(v)
}

// values returns what was typed.
func (f *form) values() (args map[string]string, reason string) {
	args = map[string]string{}
	for _, fd := range f.fields {
		switch v := fd.edit.String(); {
		case fd.reason:
			reason = strings.TrimSpace(v)
		case v != "":
			args[fd.Name] = v
		}
	}
	return args, reason
}

// line returns what will be asked, in its one form.
func (f *form) line() string {
	args, _ := f.values()
	return check.Ask{Name: f.spec.Name, Args: args}.Line()
}

// formKey takes a key that is text.
func (f *form) key(k tea.KeyPressMsg) {
	if f.sure != nil {
		f.sure.key(k)
		return
	}
	f.tab = tabbed{}
	f.fields[f.cursor].edit.key(k)
}

// formMove moves to another field.
func (m *Model) formMove(by int) {
	f := m.pick.form
	f.tab = tabbed{}
	f.move(by, len(f.fields))
}

// formEnter asks the check, or says what is wrong with it; a change asks for a yes
// first.
func (m *Model) formEnter() tea.Cmd {
	f := m.pick.form
	if m.pick.pending || m.tiny() {
		return nil
	}
	for i := range f.fields {
		if err := f.fields[i].err(); err != nil {
			f.cursor = i
			m.notice, m.alarm = vt.Plain(f.fields[i].Name+": "+err.Error()), true
			return nil
		}
	}
	args, reason := f.values()
	if f.spec.Effect == sessionlog.EffectChange && f.sure == nil {
		f.sure = &editor{}
		return nil
	}
	if f.sure != nil && strings.TrimSpace(f.sure.String()) != "yes" {
		m.say("that is not yes; Esc goes back to the parameters")
		return nil
	}
	return m.askCheck(f.spec, args, reason)
}

// formLeave goes one step back: to the parameters, or to the list.
func (m *Model) formLeave() {
	if f := m.pick.form; f.sure != nil {
		f.sure = nil
		m.say("not asked")
		return
	}
	m.pick.form = nil
}

// drawForm returns the rows of the screen and where the cursor is.
func (m *Model) drawForm() ([]string, *tea.Cursor) {
	f := m.pick.form
	if f.sure != nil {
		return m.drawSure()
	}
	effect, look := m.effectWord(f.spec.Effect)
	rows := []string{m.bar("CAISEY "+vt.Plain(f.spec.Name)+"   "+m.pick.pane.name, m.who())}
	rows = append(rows, " "+look.on(effect)+" "+cutTo(vt.Plain(f.spec.Summary), max(m.w-len(effect)-2, 1), m.method, m.theme.more), "")
	name := 8
	for _, fd := range f.fields {
		name = max(name, min(len(fd.Name), 16))
	}
	from, to := f.window(len(f.fields), m.h-len(rows)-3)
	var cursor *tea.Cursor
	for i := from; i < to; i++ {
		row, x := m.formRow(&f.fields[i], i == f.cursor, name)
		if i == f.cursor {
			cursor = tea.NewCursor(x, len(rows))
		}
		rows = append(rows, row)
	}
	for len(rows) < m.h-3 {
		rows = append(rows, "")
	}
	rows = append(rows[:max(m.h-3, 0)], m.formHint())
	return append(rows, m.theme.dim.on(cutTo(" asks: "+vt.Plain(f.line()), m.w, m.method, m.theme.more))), cursor
}

// formRow returns the row of a field, and the cell of the cursor in it.
func (m *Model) formRow(f *field, under bool, name int) (string, int) {
	lead := "   "
	if under {
		lead = " > "
	}
	wide := max(14, (m.w-name-6)/2)
	left := lead + fit(vt.Plain(f.Name), name, m.method) + " "
	text, x := f.edit.view(wide, m.method)
	value := fit(text, wide, m.method)
	switch {
	case len(f.edit.text) > 0:
	case f.Default != "":
		value = m.theme.dim.on(fit(vt.Plain(f.Default)+" (default)", wide, m.method))
	case f.Required:
		value = m.theme.dim.on(fit("(needed)", wide, m.method))
	default:
		value = m.theme.dim.on(fit("-", wide, m.method))
	}
	if under {
		left = m.theme.cursor.on(left)
	}
	room := max(m.w-len(lead)-name-1-wide-2, 0)
	note, look := vt.Plain(f.Summary), paint{}
	if f.Unit != "" {
		note += ", in " + vt.Plain(f.Unit)
	}
	if err := f.err(); err != nil && len(f.edit.text) > 0 {
		note, look = "! "+vt.Plain(err.Error()), m.theme.bad
	}
	return left + value + "  " + look.on(cutTo(note, room, m.method, m.theme.more)), len(lead) + name + 1 + x
}

// formHint says about the field with the cursor what has no room beside it.
func (m *Model) formHint() string {
	f := m.pick.form
	if len(f.tab.words) > 0 {
		return m.theme.title.on(cutTo(" Tab: "+f.tab.list(), m.w, m.method, m.theme.more))
	}
	fd := &f.fields[f.cursor]
	text := " " + vt.Plain(fd.Summary)
	if err := fd.err(); err != nil && len(fd.edit.text) > 0 {
		text = " ! can be: " + vt.Plain(err.Error())
		return m.theme.bad.on(cutTo(text, m.w, m.method, m.theme.more))
	}
	if fd.Threshold {
		text += "; it decides what is a finding"
	}
	if fd.completes() {
		text += "; Tab completes"
	}
	return m.theme.dim.on(cutTo(text, m.w, m.method, m.theme.more))
}

// drawSure shows what a change will do, and asks for a yes.
func (m *Model) drawSure() ([]string, *tea.Cursor) {
	f := m.pick.form
	_, reason := f.values()
	facts := [][2]string{
		{"will run", f.line()},
		{"on", m.pick.pane.name},
		{"effect", string(f.spec.Effect) + ": it changes the endpoint"},
		{"what it does", f.spec.Summary},
		{"undo", f.spec.Undo},
		{"reason", reason},
		{"time limit", check.Span(f.spec.Timeout)},
		{"gate", "somebody else may have to approve it first"},
	}
	rows := []string{m.bar("CAISEY change   "+m.pick.pane.name, m.who())}
	for i, fact := range facts {
		text, kind := vt.ASCII(fact[1]), rowPlain
		if text == "" {
			text = "-"
		}
		if i == 0 {
			kind = rowCrit
		}
		name := " " + fit(fact[0], label, m.method)
		for _, row := range wrapped(nil, "", text, kind, m.w-label-2, 1<<20, m.method, m.theme.more) {
			rows = append(rows, m.theme.title.on(name)+m.theme.look(kind).on(row.text))
			name = pad(label + 1)
		}
	}
	if over := len(rows) - (m.h - 2); over > 0 {
		rows = append(rows[:m.h-3], m.theme.busy.on(" "+plural(over+1, "more row")+" than the screen has"))
	}
	for len(rows) < m.h-2 {
		rows = append(rows, "")
	}
	lead := " type yes to ask for it: "
	if m.pick.pending {
		lead = " asking: "
	}
	text, x := f.sure.view(max(m.w-len(lead)-1, 4), m.method)
	return append(rows, m.theme.busy.on(lead)+text), tea.NewCursor(len(lead)+x, len(rows))
}
