package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui/vt"
)

// A picker is the list of what a pane's endpoint can be asked, and the form for the
// parameters of one of it.
type picker struct {
	list
	pane    *pane
	role    string // the endpoint's label
	rows    []*specRow
	hits    []*specRow // what the filter lets through
	known   bool
	trouble string // why it is not known
	form    *form  // nil while the list is shown
	pending bool   // a check was asked and is not yet on disk
}

// A specRow is a check with what drawing and finding it needs.
type specRow struct {
	check.Spec
	name, summary string // safe to draw
	hay           string // all that the filter looks at, in lower case
	rank          int    // 0 if it is for the endpoint's role, then 1 for any, 2 for others
}

// changes is 1 for a check that changes something: those come after the others.
func (r *specRow) changes() int {
	if r.Effect == sessionlog.EffectChange {
		return 1
	}
	return 0
}

// A checksMsg says what an endpoint can be asked.
type checksMsg struct {
	endpoint sessionlog.EndpointID
	specs    []check.Spec
	err      error
}

// fetchChecks asks what an endpoint can be asked.
func (m *Model) fetchChecks(id sessionlog.EndpointID) tea.Cmd {
	return func() tea.Msg {
		specs, err := m.cfg.Backend.Checks(m.ctx, id)
		return checksMsg{id, specs, err}
	}
}

// checksKnown takes what an endpoint can be asked.
func (m *Model) checksKnown(msg checksMsg) {
	if msg.err == nil {
		if m.specs == nil {
			m.specs = map[sessionlog.EndpointID][]check.Spec{}
		}
		m.specs[msg.endpoint] = msg.specs
	}
	if pk := m.pick; pk != nil && pk.pane.endpoint == msg.endpoint {
		if pk.trouble = ""; msg.err != nil {
			pk.trouble = errText(msg.err)
			return
		}
		pk.take(msg.specs)
	}
}

// openPicker shows what the focused pane's endpoint can be asked.
func (m *Model) openPicker() tea.Cmd {
	p := m.work.current()
	switch {
	case p == nil:
		return nil
	case p.watch:
		m.say("this pane only watches " + p.owner + "; open the endpoint to ask it something")
		return nil
	case p.stream == nil:
		m.say("the session is not open yet")
		return nil
	}
	pk := &picker{pane: p}
	if ep, ok := m.fleet.endpoint(p.endpoint); ok {
		pk.role = ep.Labels["role"]
	}
	if specs := m.specs[p.endpoint]; specs != nil {
		pk.take(specs)
	}
	m.pick, m.screen = pk, screenPick
	return m.fetchChecks(p.endpoint)
}

// leavePicker goes back to the workspace.
func (m *Model) leavePicker() {
	m.pick = nil
	m.show(screenWorkspace)
}

func (pk *picker) take(specs []check.Spec) {
	under := pk.under()
	pk.known, pk.rows = true, make([]*specRow, 0, len(specs))
	for _, s := range specs {
		row := &specRow{Spec: s, name: vt.Plain(s.Name), summary: vt.Plain(s.Summary), rank: 2}
		switch {
		case pk.role != "" && slices.Contains(s.Roles, pk.role):
			row.rank = 0
		case len(s.Roles) == 0:
			row.rank = 1
		}
		row.hay = strings.ToLower(strings.Join([]string{row.name, row.summary, string(s.Effect), strings.Join(s.Roles, " ")}, " "))
		pk.rows = append(pk.rows, row)
	}
	slices.SortStableFunc(pk.rows, func(a, b *specRow) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.changes(), b.changes()), cmp.Compare(a.name, b.name))
	})
	pk.find()
	if under != nil {
		if i := slices.IndexFunc(pk.hits, func(r *specRow) bool { return r.name == under.name }); i >= 0 {
			pk.cursor = i
		}
	}
}

// find works out the hits.
func (pk *picker) find() {
	pk.hits = fitting(pk.rows, pk.filter.String(), func(r *specRow) string { return r.name }, func(r *specRow) string { return r.hay })
	pk.move(0, len(pk.hits))
}

// under returns the check under the cursor, or nil.
func (pk *picker) under() *specRow {
	if pk.cursor < len(pk.hits) {
		return pk.hits[pk.cursor]
	}
	return nil
}

// pickEnter asks the check under the cursor; one that needs to be told more, or
// changes something, asks for that first.
func (m *Model) pickEnter() tea.Cmd {
	pk := m.pick
	row := pk.under()
	switch {
	case row == nil || pk.pending || m.tiny():
		return nil
	case row.Effect == sessionlog.EffectChange || slices.ContainsFunc(row.Params, func(p check.Param) bool { return p.Required && p.Default == "" }):
		m.openForm()
		return nil
	}
	return m.askCheck(row.Spec, nil, "")
}

// askCheck asks the picker's pane.
func (m *Model) askCheck(s check.Spec, args map[string]string, reason string) tea.Cmd {
	pk := m.pick
	pk.pending = true
	in := console.Ask{Session: pk.pane.stream.session, Step: sessionlog.NewStepID(), Check: s.Name, Args: args, Targets: 1, Reason: reason}
	return m.do(in, func(_ console.Receipt, err error) {
		pk.pending = false
		if err == nil && m.pick == pk && m.screen == screenPick {
			pk.pane.scroll.held = false
			m.leavePicker()
		}
	})
}

// effectWord is the effect in capitals, and how it looks.
func (m *Model) effectWord(e sessionlog.Effect) (string, paint) {
	word := strings.ToUpper(vt.Plain(string(e)))
	switch e {
	case sessionlog.EffectChange:
		return word, m.theme.bad
	case sessionlog.EffectProbe:
		return word, m.theme.busy
	}
	return word, m.theme.good
}

// costWidth is how many cells a cost takes.
const costWidth = 12

// cost says how long a check looks.
func cost(s check.Spec) string {
	switch {
	case s.Live:
		return "live"
	case s.Samples > 0:
		return "samples " + check.Span(s.Samples)
	}
	return "once"
}

// drawPick returns the rows of the screen and where the cursor is.
func (m *Model) drawPick() ([]string, *tea.Cursor) {
	pk := m.pick
	if pk.form != nil {
		return m.drawForm()
	}
	title := "CAISEY checks   " + pk.pane.name
	if pk.role != "" {
		title += "   role " + vt.Plain(pk.role)
	}
	const lead = " check: "
	count := fmt.Sprintf(" %d of %d shown", len(pk.hits), len(pk.rows))
	text, x := pk.filter.view(max(m.w-len(count)-len(lead)-1, 8), m.method)
	name := 16
	for _, row := range pk.rows {
		name = max(name, min(len(row.name), 24))
	}
	name = min(name, max(16, m.w/4))
	rows := []string{
		m.bar(title, m.who()), ends(lead+text, count, m.w, m.method),
		m.theme.dim.on(fit("   "+fit("CHECK", name+1, m.method)+fit("EFFECT", 8, m.method)+fit("COST", costWidth+1, m.method)+"WHAT IT TELLS", m.w, m.method)),
	}
	detail := 4
	if m.h < 16 {
		detail = 2
	}
	from, to := pk.window(len(pk.hits), m.h-len(rows)-1-detail)
	for i := from; i < to; i++ {
		rows = append(rows, m.specRow(pk.hits[i], i == pk.cursor, name))
	}
	switch {
	case pk.trouble != "":
		rows = append(rows, m.theme.bad.on(fit("   "+pk.trouble, m.w, m.method)))
	case !pk.known:
		rows = append(rows, m.theme.dim.on("   asking what the endpoint can be asked"))
	case len(pk.rows) == 0:
		rows = append(rows, "   this endpoint has no checks: its agent is older than they are")
	case len(pk.hits) == 0:
		rows = append(rows, "   no check matches")
	}
	for len(rows) < m.h-1-detail {
		rows = append(rows, "")
	}
	return append(rows[:max(m.h-1-detail, 0)], m.specDetail(detail)...), tea.NewCursor(len(lead)+x, 1)
}

func (m *Model) specRow(row *specRow, under bool, name int) string {
	lead := []byte("   ")
	if under {
		lead[1] = '>'
	}
	if row.rank == 0 {
		lead[2] = '*'
	}
	left := string(lead) + fit(row.name, name, m.method) + " "
	right := fit(cost(row.Spec), costWidth, m.method) + " "
	right += cutTo(row.summary, max(m.w-len(lead)-name-1-8-costWidth-1, 0), m.method, m.theme.more)
	if under {
		left, right = m.theme.cursor.on(left), m.theme.cursor.on(right)
	}
	effect, look := m.effectWord(row.Effect)
	return left + look.on(fit(effect, 7, m.method)) + " " + right
}

// specDetail returns n rows about the check under the cursor.
func (m *Model) specDetail(n int) []string {
	row := m.pick.under()
	if row == nil {
		return make([]string, n)
	}
	out := wrapped(nil, " ", row.summary, rowStrong, m.w-1, n/2, m.method, m.theme.more)
	how := fmt.Sprintf("at most %s", check.Span(row.Timeout))
	if len(row.Roles) > 0 {
		how += ", for " + vt.Plain(strings.Join(row.Roles, " "))
	}
	if m.pick.pending {
		how = "asking"
	}
	out = append(out, textRow{" " + how + ", from " + vt.Plain(row.Source), rowDim})
	params := " no parameters"
	if len(row.Params) > 0 {
		params = " Tab sets: "
		for i, p := range row.Params {
			if i > 0 {
				params += ", "
			}
			params += vt.Plain(p.Name)
			switch {
			case p.Default != "":
				params += "=" + vt.Plain(p.Default)
			case p.Required:
				params += " (needed)"
			}
		}
	}
	out = append(out, textRow{params, rowDim})
	rows := make([]string, 0, n)
	for _, row := range out[max(0, len(out)-n):] {
		rows = append(rows, m.theme.look(row.kind).on(cutTo(row.text, m.w, m.method, m.theme.more)))
	}
	for len(rows) < n {
		rows = append([]string{""}, rows...)
	}
	return rows
}
