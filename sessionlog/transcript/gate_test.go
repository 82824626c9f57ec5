package transcript

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/logtest"
	"github.com/caisey/caisey/tui/vt"
)

// gates is a session of steps that waited, with hostile text.
func gates(t *testing.T) *logtest.Memory {
	at := time.Date(2026, 3, 4, 14, 41, 50, 0, time.UTC)
	var evs []sessionlog.Event
	add := func(kind sessionlog.Kind, actor sessionlog.Actor, step sessionlog.StepID, body any) {
		at = at.Add(1500 * time.Millisecond)
		ev := sessionlog.New(kind, actor, step, body)
		ev.Time = at
		evs = append(evs, ev)
	}
	hold := func(need int, rules ...string) sessionlog.Hold {
		return sessionlog.Hold{Digest: "d1", Need: need, Rules: rules, Expires: at.Add(10 * time.Minute).In(time.FixedZone("x", 3600))}
	}
	add(sessionlog.SessionOpened, sessionlog.Relay, "", sessionlog.Opened{Session: "01J0000000000000000000SESS", Client: "acme", Name: "db01", Technician: "ana"})
	ana := sessionlog.Technician("ana")
	add(sessionlog.StepRequested, ana, s1, sessionlog.Requested{
		Command: "restart", Effect: sessionlog.EffectShell, Reason: "it hangs\x1b[2J\nbadly", Undo: "start <b>it</b>",
	})
	add(sessionlog.ApprovalRequested, sessionlog.Relay, s1, hold(1, "db-needs-a-lead"))
	add(sessionlog.StepRequested, ana, s2, sessionlog.Requested{Command: "reboot"})
	add(sessionlog.ApprovalRequested, sessionlog.Relay, s2, hold(2, "a", "b\u202ec"))
	add(sessionlog.ApprovalGranted, "technician:bo", s2, sessionlog.Answer{Digest: "d1", Key: "SHA256:k"})
	add(sessionlog.ApprovalDenied, "technician:cy", s2, sessionlog.Answer{Digest: "d1", Key: "SHA256:k", Why: "not at noon"})
	add(sessionlog.StepEnded, sessionlog.Relay, s2, sessionlog.Ended{State: sessionlog.Refused, Exit: -1, Why: "denied by cy: not at noon"})
	add(sessionlog.ApprovalOverridden, "technician:root", s1, sessionlog.Answer{Digest: "d1", Why: "the plant burns"})
	evs = append(evs, sessionlog.NewOutput("agent:x", s1, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte("approved by nobody\n")}))
	evs[len(evs)-1].Time = at
	add(sessionlog.StepEnded, "agent:x", s1, sessionlog.Ended{State: sessionlog.OK})
	const s3 = sessionlog.StepID("01J0000000000000000000STE3")
	add(sessionlog.StepRequested, ana, s3, sessionlog.Requested{Command: "later"})
	h := hold(1)
	h.Expires = at.Add(24 * time.Hour)
	add(sessionlog.ApprovalRequested, sessionlog.Relay, s3, h)
	add(sessionlog.ApprovalExpired, sessionlog.Relay, s3, nil)
	add(sessionlog.StepEnded, sessionlog.Relay, s3, sessionlog.Ended{State: sessionlog.Refused, Exit: -1})
	add(sessionlog.IncidentJoined, ana, "", sessionlog.Joined{Incident: "01J0000000000000000000INC1", Title: "db <b>is</b>\u202e down"})
	const s4, s5 = sessionlog.StepID("01J0000000000000000000STE4"), sessionlog.StepID("01J0000000000000000000STE5")
	add(sessionlog.StepRequested, ana, s4, sessionlog.Requested{Command: "restart", Effect: sessionlog.EffectShell})
	add(sessionlog.ApprovalRequested, sessionlog.Relay, s4, hold(1, "a"))
	add(sessionlog.ApprovalReused, sessionlog.Relay, s4, sessionlog.Reused{Digest: "d1", Of: s1, By: []string{"bo", "cy"}})
	add(sessionlog.StepDispatched, sessionlog.Relay, s4, nil)
	add(sessionlog.StepRequested, ana, s5, sessionlog.Requested{Command: "reboot", Effect: sessionlog.EffectChange})
	add(sessionlog.ApprovalWaived, sessionlog.Relay, s5, sessionlog.Waived{Rules: []string{"a"}, Why: "ana is on call"})
	add(sessionlog.StepStarted, "agent:x", s5, sessionlog.Started{PID: 1})
	add(sessionlog.StepEnded, "agent:x", s5, sessionlog.Ended{State: sessionlog.Failed, Exit: 1})
	add(sessionlog.SessionClosed, ana, "", sessionlog.Closed{})
	log := logtest.NewMemory()
	if _, err := sessionlog.Append(t.Context(), log, evs...); err != nil {
		t.Fatal(err)
	}
	return log
}

// Every form tells what happened at a gate, in order.
func TestGates(t *testing.T) {
	forms := map[string]func(*bytes.Buffer) renderer{
		"gates.txt": func(w *bytes.Buffer) renderer { return NewPrinter(w, Options{}) }, "gates.md": markdown, "gates.html": htmlForm, "gates.cast": cast2,
	}
	for file, form := range forms {
		got := render(t, gates(t), form)
		golden(t, file, got)
		text := string(got)
		switch file {
		case "gates.md":
			text = strings.ReplaceAll(text, "\\", "")
		case "gates.html":
			text = strings.ReplaceAll(text, "&lt;b&gt;", "<b>")
		}
		for _, want := range []string{
			"reason: it hangs␊badly", "undo: start <b>it", "waits for 1 approval (rule db-needs-a-lead) until 14:51", "waits for 2 approvals (rules a, b\ufffdc) until 14:51",
			"approved by bo", "denied by cy: not at noon", "OVERRIDDEN by root: the plant burns", "waits for 1 approval until 2026-03-05 14:42", "nobody approved it in time",
			"in incident 01J0000000000000000000INC1: db <b>is", "approved by bo, cy as step 01J0000000000000000000STE1", "not held (rule a): ana is on call",
			"it ran 0 reads, 0 probes, 1 shell, 1 change, 1 that may have run",
		} {
			_, rest, ok := strings.Cut(text, want)
			if !ok {
				t.Errorf("%s has no %q where it should", file, want)
				continue
			}
			text = rest
		}
	}
	var buf bytes.Buffer
	if err := sessionlog.Replay(t.Context(), gates(t), NewEncoder(&buf, sessionlog.Opened{}).Encode); err != nil {
		t.Fatal(err)
	}
	golden(t, "gates.jsonl", buf.Bytes())
	if vt.Clean(buf.Bytes()) != buf.String() {
		t.Error("JSON is not safe on a terminal")
	}
}

// What does not say enough is told as far as it goes, and nothing but a gate is.
func TestGateOfLittle(t *testing.T) {
	for want, ev := range map[string]sessionlog.Event{
		"approved by bo": {Kind: sessionlog.ApprovalGranted, Actor: "technician:bo"},
		"":               {Kind: sessionlog.ApprovalRequested, Body: []byte("[]")},
	} {
		if got := Gate(ev, time.UTC); got != want {
			t.Errorf("%s: %q, want %q", ev.Kind, got, want)
		}
	}
	if got := Gate(sessionlog.New(sessionlog.StepCancel, "relay", s1, nil), time.UTC); got != "" {
		t.Errorf("a cancel is %q", got)
	}
}
