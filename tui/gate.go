package tui

import (
	"time"

	"github.com/caisey/caisey/sessionlog"
	words "github.com/caisey/caisey/sessionlog/transcript"
)

// gate folds an event about the gate before a step, and adds what it says.
func (t *transcript) gate(b *block, ev sessionlog.Event) {
	text := words.Gate(ev, time.Local)
	if text == "" {
		return
	}
	switch ev.Kind {
	case sessionlog.ApprovalRequested:
		var hold sessionlog.Hold
		if ev.Decode(&hold) != nil || b.held || b.ended != nil || b.dispatched || !b.started.IsZero() {
			return
		}
		b.held, b.expires = true, hold.Expires
		t.held++
		t.running--
	case sessionlog.ApprovalGranted: // others may have to say yes too
	default:
		t.release(b)
	}
	t.say(b, text)
}

// release says that no gate holds b's step any more.
func (t *transcript) release(b *block) {
	if b.held {
		b.held = false
		t.held--
		t.running++
	}
}
