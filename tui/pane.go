package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A pane shows one session and, unless it only watches, takes commands for it.
type pane struct {
	endpoint sessionlog.EndpointID
	name     string // client/endpoint, safe to draw
	owner    string // whose session, if it only watches
	watch    bool
	failed   string  // why there is no session, or ""
	stream   *stream // nil until the session is known
	stop     func()  // ends the stream

	scroll scroll
	edit   editor
	paste  string // pasted text that waits for a yes
	hist   int    // how far back in the history edit is; 0 is the newest
	draft  string // what was typed before the history was looked at

	// The rows as they were last drawn, for this size.
	drawn  []string
	size   rect
	cursor int // column of the cursor in the last row, or -1
	stale  bool
}

// needsDraw reports whether the pane looks other than when it was drawn.
func (p *pane) needsDraw(r rect) bool {
	return p.stale || p.size.w != r.w || p.size.h != r.h
}

// refresh marks the pane stale if something came in.
func (p *pane) refresh() {
	if p.stream != nil && p.stream.dirty.Swap(false) {
		p.stale = true
	}
}

// counts returns how many steps have not ended, and how many a gate holds.
func (p *pane) counts() (running, held int) {
	if p.stream == nil {
		return 0, 0
	}
	p.stream.mu.Lock()
	defer p.stream.mu.Unlock()
	return p.stream.transcript.running, p.stream.transcript.held
}

// moving reports whether a clock in the pane runs.
func (p *pane) moving() bool {
	running, held := p.counts()
	return running+held > 0
}

// body returns how many rows of the transcript fit into r.
func (p *pane) body(r rect, prompt bool) int {
	h := r.h - 1
	if prompt {
		h--
	}
	return max(h, 0)
}

// with calls fn with the pane's transcript, which nobody changes meanwhile.
func (p *pane) with(m *Model, width int, fn func(*sheet)) {
	if p.stream == nil {
		return
	}
	p.stream.mu.Lock()
	defer p.stream.mu.Unlock()
	fn(&sheet{transcript: p.stream.transcript, theme: &m.theme, method: m.method, width: width, now: m.cfg.Now()})
}

// draw returns the pane's rows, each r.w cells wide.
func (p *pane) draw(m *Model, r rect, number int, focused bool) []string {
	prompt := !p.watch && (focused || len(p.edit.text) > 0) && r.h > 2
	out := make([]string, 0, r.h)
	height := p.body(r, prompt)
	out = append(out, p.title(m, r.w, number, focused, height))
	switch {
	case p.failed != "":
		out = append(out, m.theme.bad.on(fit("  cannot open: "+p.failed, r.w, m.method)))
	case p.stream == nil:
		out = append(out, m.theme.dim.on(fit("  opening", r.w, m.method)))
	}
	p.with(m, r.w, func(s *sheet) {
		for _, row := range s.render(&p.scroll, height) {
			out = append(out, row.Text+pad(r.w-m.width(row)))
		}
	})
	for len(out) < height+1 {
		out = append(out, pad(r.w))
	}
	p.cursor = -1
	if out = out[:min(len(out), height+1)]; prompt {
		out = append(out, p.prompt(m, r.w, focused))
	}
	p.drawn, p.size, p.stale = out, r, false
	return out
}

func pad(n int) string { return strings.Repeat(" ", max(n, 0)) }

func (p *pane) prompt(m *Model, width int, focused bool) string {
	lead := "> "
	insert := focused && m.insert
	if !insert && len(p.edit.text) == 0 {
		return m.theme.dim.on(fit("> i to type", width, m.method))
	}
	text, x := p.edit.view(width-len(lead), m.method)
	if insert {
		p.cursor = len(lead) + x
	}
	return fit(lead+text, width, m.method)
}

// title returns the pane's first row: number, endpoint, who is on it, state.
func (p *pane) title(m *Model, width, number int, focused bool, height int) string {
	rule, look := m.theme.rule, m.theme.title
	if focused {
		rule, look = m.theme.focusRule, m.theme.focus
	}
	parts := []string{fmt.Sprintf("%d %s", number, p.name)}
	if ep, ok := m.fleet.endpoint(p.endpoint); ok {
		if len(ep.On) > 0 {
			parts = append(parts, vt.Plain(strings.Join(ep.On, " ")))
		}
		if !ep.Online {
			parts = append(parts, "OFFLINE since "+when(ep.Since, m.cfg.Now()))
		}
		if ep.ReadOnly() {
			parts = append(parts, "READ-ONLY")
		}
	}
	if p.watch {
		parts = append(parts, "WATCHING "+p.owner)
	}
	p.with(m, width, func(s *sheet) {
		parts = append(parts, p.state(s)...)
		if n := s.cut(&p.scroll, height); n > 0 {
			parts = append(parts, plural(n, "row")+" below")
		}
	})
	if focused {
		parts = append(parts, "FOCUS")
	}
	if p.scroll.held {
		parts = append(parts, "held, f follows")
	}
	sep := " " + strings.Repeat(rule, 2) + " "
	text := m.method.Truncate(rule+" "+strings.Join(parts, sep), width-2, m.theme.more) + " "
	return look.on(text + strings.Repeat(rule, max(0, width-m.method.StringWidth(text))))
}

// state says what the title says about the session.
func (p *pane) state(s *sheet) []string {
	var parts []string
	if p.stream.state != "" {
		parts = append(parts, p.stream.state)
	}
	shown := 0 // of the steps that are held
	for i := len(s.blocks) - 1; i >= 0; i-- {
		if b := s.blocks[i]; b.step != "" {
			word, _ := s.theme.outcome(b, s.now)
			parts = append(parts, strings.Join(strings.Fields(word), " "))
			if b.held {
				shown = 1
			}
			break
		}
	}
	if s.running+shown > 1 {
		parts = append(parts, fmt.Sprintf("%d running", s.running))
	}
	if s.held > shown {
		parts = append(parts, fmt.Sprintf("%d WAITING", s.held))
	}
	if s.closed {
		parts = append(parts, strings.TrimSpace("CLOSED "+s.did))
	}
	switch {
	case s.before > 0:
		parts = append(parts, "what is above is only in the record")
	case s.dropped > 0:
		parts = append(parts, fmt.Sprintf("%d lines above are only in the record", s.dropped))
	}
	return parts
}

// recall puts an older (by > 0) or a newer command of the technician into edit.
func (p *pane) recall(m *Model, by int) {
	var cmds []string
	p.with(m, 80, func(s *sheet) { cmds = s.commands(m.self()) })
	if p.hist == 0 {
		p.draft = p.edit.String()
	}
	p.hist = min(max(p.hist+by, 0), len(cmds))
	if p.hist == 0 {
		p.edit.set(p.draft)
		return
	}
	p.edit.set(cmds[len(cmds)-p.hist])
}

// send runs what was typed.
func (p *pane) send(m *Model) tea.Cmd {
	text := p.edit.String()
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if p.stream == nil {
		m.say("the session is not open yet; nothing was sent")
		return nil
	}
	run := console.Run{Session: p.stream.session, Step: sessionlog.NewStepID(), Command: text}
	p.edit.set("")
	p.hist, p.draft, p.scroll.held = 0, "", false
	return m.do(run, func(_ console.Receipt, err error) {
		if err != nil && len(p.edit.text) == 0 {
			p.edit.set(text) // nothing typed is lost
			p.stale = true
		}
	})
}

// cancel asks for the end of the technician's newest running step.
func (p *pane) cancel(m *Model) tea.Cmd {
	var b *block
	p.with(m, 80, func(s *sheet) { b = s.newest(m.self()) })
	switch {
	case b != nil:
		m.say("cancelling: " + b.text)
		return m.do(console.Cancel{Session: p.stream.session, Step: b.step}, nil)
	case len(p.edit.text) > 0:
		p.edit.set("")
	default:
		m.say("nothing of yours runs here; Esc leaves INSERT")
	}
	return nil
}

// width returns how many cells a row takes on this technician's terminal.
func (m *Model) width(row vt.Line) int {
	if row.ASCII || m.method == ansi.WcWidth {
		return row.Width
	}
	return m.method.StringWidth(row.Text)
}

// remove takes p out of panes.
func remove(panes []*pane, p *pane) []*pane {
	return slices.DeleteFunc(panes, func(q *pane) bool { return q == p })
}
