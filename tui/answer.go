package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// An answer is one that is being given, in up to two lines: a reason, and a word
// that is typed in full.
type answer struct {
	kind sessionlog.Kind
	edit editor
	why  string // the reason, once it is given
	word string // what is to be typed, or ""
	last bool   // Enter gives the answer
}

// overrideWord is typed in full by whoever runs a step without approval.
const overrideWord = "override"

// begin begins an answer to what is looked at, or under the cursor: then it is
// looked at first.
func (m *Model) begin(kind sessionlog.Kind) {
	a := &m.app
	switch {
	case m.tiny():
		return
	case m.cfg.Now().Sub(a.changed) < grace:
		m.say("the list has just changed: look again, then press the key again")
		return
	case a.open == nil:
		m.lookAt()
		if a.open == nil {
			return
		}
		a.open.unseen = m.cfg.Now()
		m.drawOrder() // to know how much of it will be seen
	}
	if o := a.open; m.answerable(o, kind) {
		o.asking = newAnswer(o, kind)
	}
}

// answerable reports whether an order can be answered; if not it says why.
func (m *Model) answerable(o *order, kind sessionlog.Kind) bool {
	override := kind == sessionlog.ApprovalOverridden
	switch {
	case o.gone:
		m.say("it waits no longer")
	case o.other:
		m.say("it is not what was shown any more: go back and look again")
	case o.pending:
		m.say("an answer is on its way")
	case o.Mine && !override:
		m.say("you asked for it yourself: somebody else must answer")
	case !o.May && !override:
		m.say("you may not answer it, or have done so already")
	case !o.read && kind != sessionlog.ApprovalDenied:
		m.say("read it to its end first: ctrl+d is a page, G the end")
	default:
		return true
	}
	return false
}

func newAnswer(o *order, kind sessionlog.Kind) *answer {
	an := &answer{kind: kind, last: kind != sessionlog.ApprovalOverridden}
	if kind == sessionlog.ApprovalGranted && o.Effect == sessionlog.EffectChange {
		an.word = vt.ASCII(o.Name)
	}
	return an
}

// lead is what stands before what is typed.
func (o *order) lead() string {
	an := o.asking
	switch {
	case an.word != "":
		return " type " + an.word + " in full to " + an.verb() + ": "
	case an.kind == sessionlog.ApprovalGranted:
		return " Enter approves exactly this for " + vt.ASCII(o.By) + " on " + vt.ASCII(o.Path()) + "; any other key does not"
	case an.kind == sessionlog.ApprovalDenied:
		return " why not: "
	}
	return " why it cannot wait: "
}

// verb says what the answer does.
func (an *answer) verb() string {
	switch an.kind {
	case sessionlog.ApprovalGranted:
		return "approve"
	case sessionlog.ApprovalDenied:
		return "deny"
	}
	return "run it without approval"
}

// bare reports whether nothing is typed: Enter is the answer.
func (an *answer) bare() bool { return an.kind == sessionlog.ApprovalGranted && an.word == "" }

// answerKey takes a key of what is typed.
func (m *Model) answerKey(k tea.KeyPressMsg) {
	o := m.app.open
	if o.asking.bare() {
		m.dropAnswer()
		return
	}
	o.asking.edit.key(k)
}

// dropAnswer leaves the answer that is being given.
func (m *Model) dropAnswer() {
	m.app.open.asking = nil
	m.say("not answered")
}

// answerEnter takes a line, and gives the answer after the last.
func (m *Model) answerEnter() tea.Cmd {
	o := m.app.open
	an, typed := o.asking, strings.TrimSpace(o.asking.edit.String())
	switch {
	case m.tiny():
		return nil
	case m.cfg.Now().Sub(o.unseen) < grace:
		m.say("that was too fast to have looked; Enter again")
		return nil
	case an.word != "" && typed != an.word:
		m.say("that is not " + an.word)
		return nil
	case an.word == "" && !an.bare():
		if typed == "" {
			m.say("that needs a reason; Esc leaves it")
			return nil
		}
		an.why = typed
	}
	if !an.last {
		an.last, an.word = true, overrideWord
		an.edit.set("")
		return nil
	}
	return m.give(o, an)
}

// give gives the answer, about exactly what is shown.
func (m *Model) give(o *order, an *answer) tea.Cmd {
	o.pending, o.asking = true, nil
	about := vt.ASCII(o.By) + " on " + vt.ASCII(o.Path())
	var in console.Intent
	said := "approved for " + about
	switch an.kind {
	case sessionlog.ApprovalGranted:
		in = console.Approve{Session: o.Session, Step: o.Step, Digest: o.Digest}
	case sessionlog.ApprovalDenied:
		in = console.Deny{Session: o.Session, Step: o.Step, Digest: o.Digest, Why: an.why}
		said = "denied to " + about
	default:
		in = console.Override{Session: o.Session, Step: o.Step, Digest: o.Digest, Why: an.why}
		said = "OVERRIDDEN without approval for " + about
	}
	return m.do(in, func(_ console.Receipt, err error) {
		o.pending = false
		if err != nil {
			m.fail(an.verb(), err)
			return
		}
		m.say(said)
		if m.app.open == o {
			m.app.open = nil
		}
	})
}
