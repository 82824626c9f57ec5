package transcript

import (
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// Gate says in one line, as safe text, what an event reports of the gate before a
// step: "waits for 1 approval (rule db-needs-a-lead) until 14:52", "approved by bo".
// It returns "" for any other event. Times are shown in loc.
func Gate(ev sessionlog.Event, loc *time.Location) string {
	switch ev.Kind {
	case sessionlog.ApprovalRequested:
		var b sessionlog.Hold
		if ev.Decode(&b) != nil {
			return ""
		}
		return waits(b, ev.Time, loc)
	case sessionlog.ApprovalGranted:
		return answered("approved", ev)
	case sessionlog.ApprovalDenied:
		return answered("denied", ev)
	case sessionlog.ApprovalOverridden:
		return answered("OVERRIDDEN", ev)
	case sessionlog.ApprovalExpired:
		return "nobody approved it in time"
	}
	return ""
}

func waits(b sessionlog.Hold, at time.Time, loc *time.Location) string {
	text := fmt.Sprintf("waits for %d approvals", b.Need)
	if b.Need == 1 {
		text = "waits for 1 approval"
	}
	switch rules := vt.Plain(strings.Join(b.Rules, ", ")); {
	case len(b.Rules) == 1:
		text += " (rule " + rules + ")"
	case len(b.Rules) > 1:
		text += " (rules " + rules + ")"
	}
	at, until := at.In(loc), b.Expires.In(loc)
	form := "15:04"
	if at.YearDay() != until.YearDay() || at.Year() != until.Year() {
		form = "2006-01-02 15:04"
	}
	return text + " until " + until.Format(form)
}

func answered(what string, ev sessionlog.Event) string {
	text := what + " by " + vt.Plain(ev.Actor.Name())
	var b sessionlog.Answer
	if ev.Decode(&b) == nil && b.Why != "" {
		text += ": " + vt.Plain(b.Why)
	}
	return text
}

// Asked returns what the asker of a step says about it, a line each, as safe text.
func Asked(b sessionlog.Requested) []string {
	var lines []string
	if b.Reason != "" {
		lines = append(lines, "reason: "+vt.Plain(b.Reason))
	}
	if b.Undo != "" {
		lines = append(lines, "undo: "+vt.Plain(b.Undo))
	}
	return lines
}

// gatePrefix stands before each line about a gate, so that no output can pass for
// one.
const gatePrefix = "= "

func (p *Printer) gate(ev sessionlog.Event) {
	if text := Gate(ev, p.opts.Location); text != "" {
		p.below(ev, gatePrefix, text)
	}
}

func (p *page) gate(ev sessionlog.Event) {
	text := Gate(ev, p.loc)
	if text == "" {
		return
	}
	kind := said
	switch ev.Kind {
	case sessionlog.ApprovalDenied, sessionlog.ApprovalOverridden, sessionlog.ApprovalExpired:
		kind = endOther
	}
	p.remark(ev.Time, p.step(ev.Step), remark{kind, text})
}
