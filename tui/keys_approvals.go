package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/sessionlog"
)

// approvalsKeys are the keys that lead to the approvals, those on their list, those
// on what is looked at, and those of an answer, where all others are text.
func approvalsKeys() []binding {
	t := []binding{
		{everywhere, "A g-a", "A", "what waits for an approval (ga too)", "", run((*Model).showApprovals)},
		{onApprovals, "enter", "Enter", "look at exactly what will run", "Enter look", run((*Model).lookAt)},
	}
	for _, in := range []mode{onApprovals, onOrder} {
		t = append(t, []binding{
			{in, "A", "A", "approve exactly what is shown, then Enter", "A approve", begins(sessionlog.ApprovalGranted)},
			{in, "D", "D", "deny, with a reason", "D deny", begins(sessionlog.ApprovalDenied)},
			{in, "O", "O", "run it without approval, for admins: with a reason, and a word typed in full", "O override", begins(sessionlog.ApprovalOverridden)},
			{in, "w", "w", "watch the session of whoever asked", "w watch", run((*Model).watchAsker)},
		}...)
	}
	t = append(t, rowKeys(onApprovals)...)
	t = append(t, orderKeys()...)
	return append(t, []binding{
		{typingAnswer, "enter", "Enter", "answer", "Enter answer", ask((*Model).answerEnter)},
		{typingAnswer, "esc ctrl+c", "Esc", "leave it unanswered", "Esc leave", run((*Model).dropAnswer)},
	}...)
}

func begins(kind sessionlog.Kind) func(*Model, string) tea.Cmd {
	return run(func(m *Model) { m.begin(kind) })
}

func orderKeys() []binding {
	by := func(pages, rows int) func(*Model, string) tea.Cmd {
		return run(func(m *Model) { m.app.open.scroll(pages, rows) })
	}
	return []binding{
		{onOrder, "j down", "j", "a row on", "", by(0, 1)},
		{onOrder, "k up", "k", "a row back", "", by(0, -1)},
		{onOrder, "ctrl+d pgdown space", "ctrl+d", "a page on", "", by(1, 0)},
		{onOrder, "ctrl+u pgup", "ctrl+u", "a page back", "", by(-1, 0)},
		{onOrder, "g-g home", "gg", "the beginning", "", by(0, -1<<30)},
		{onOrder, "G end", "G", "the end", "", by(0, 1<<30)},
	}
}
