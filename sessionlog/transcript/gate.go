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
	case sessionlog.ApprovalReused:
		var b sessionlog.Reused
		if ev.Decode(&b) != nil {
			return ""
		}
		return "approved by " + vt.Plain(strings.Join(b.By, ", ")) + " as step " + vt.Plain(string(b.Of))
	case sessionlog.ApprovalWaived:
		var b sessionlog.Waived
		if ev.Decode(&b) != nil {
			return ""
		}
		return "not held" + ruleText(b.Rules) + ": " + vt.Plain(b.Why)
	}
	return ""
}

// ruleText names rules of a policy, in brackets.
func ruleText(names []string) string {
	rules := vt.Plain(strings.Join(names, ", "))
	switch len(names) {
	case 0:
		return ""
	case 1:
		return " (rule " + rules + ")"
	}
	return " (rules " + rules + ")"
}

// Incident says in one line, as safe text, that the session belongs to an incident
// from an event on. It returns "" for any other event.
func Incident(ev sessionlog.Event) string {
	var b sessionlog.Joined
	if ev.Kind != sessionlog.IncidentJoined || ev.Decode(&b) != nil {
		return ""
	}
	text := "in incident " + vt.Plain(string(b.Incident))
	if b.Title != "" {
		text += ": " + vt.Plain(b.Title)
	}
	return text
}

func waits(b sessionlog.Hold, at time.Time, loc *time.Location) string {
	text := fmt.Sprintf("waits for %d approvals", b.Need)
	if b.Need == 1 {
		text = "waits for 1 approval"
	}
	text += ruleText(b.Rules)
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
	case sessionlog.ApprovalDenied, sessionlog.ApprovalOverridden, sessionlog.ApprovalExpired, sessionlog.ApprovalWaived:
		kind = endOther
	}
	p.remark(ev.Time, p.step(ev.Step), remark{kind, text})
}

// did says what a session did, if all of it was seen.
func did(t *sessionlog.Tally) string {
	r, whole := t.Receipt()
	if !whole {
		return ""
	}
	return "it ran " + r.String()
}
