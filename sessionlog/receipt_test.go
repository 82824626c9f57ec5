package sessionlog

import (
	"context"
	"errors"
	"testing"
	"time"
)

// history returns the events of steps of one effect each: what is recorded of each
// ends as told, or not at all.
func history(steps ...[]Event) []Event {
	evs := []Event{New(SessionOpened, Relay, "", Opened{Client: "acme"})}
	for _, s := range steps {
		evs = append(evs, s...)
	}
	return evs
}

func stepOf(id StepID, effect Effect, evs ...Event) []Event {
	out := []Event{New(StepRequested, "technician:ana", id, Requested{Command: "x", Effect: effect})}
	for _, ev := range evs {
		ev.Step = id
		out = append(out, ev)
	}
	return out
}

func TestReceipt(t *testing.T) {
	sent, began := New(StepDispatched, Relay, "", nil), New(StepStarted, "agent:acme/db01", "", Started{PID: 1})
	end := func(e Ended) Event { return New(StepEnded, Relay, "", e) }
	for name, c := range map[string]struct {
		evs  []Event
		want string
	}{
		"nothing":                 {nil, "0 reads, 0 probes, 0 shell, 0 changes"},
		"ok":                      {stepOf("A", EffectRead, sent, began, end(Ended{State: OK})), "1 read, 0 probes, 0 shell, 0 changes"},
		"runs":                    {stepOf("A", EffectProbe, sent, began), "0 reads, 1 probe, 0 shell, 0 changes"},
		"lost while it ran":       {stepOf("A", EffectChange, sent, began, end(Ended{State: Lost})), "0 reads, 0 probes, 0 shell, 1 change"},
		"effect of a newer relay": {stepOf("A", "reboot", sent, began), "0 reads, 0 probes, 1 shell, 0 changes"},
		"no start was told":       {stepOf("A", EffectShell, sent, end(Ended{State: TimedOut, Exit: -1})), "0 reads, 0 probes, 1 shell, 0 changes"},
		"failed":                  {stepOf("A", EffectShell, sent, end(Ended{State: Failed, Exit: 3})), "0 reads, 0 probes, 1 shell, 0 changes"},
		"killed":                  {stepOf("A", EffectShell, sent, end(Ended{State: Failed, Exit: -1, Signal: "killed"})), "0 reads, 0 probes, 1 shell, 0 changes"},
		"not started":             {stepOf("A", EffectShell, sent, end(Ended{State: Failed, Exit: -1, Why: "no shell"})), "0 reads, 0 probes, 0 shell, 0 changes"},
		"refused by the agent":    {stepOf("A", EffectChange, sent, end(Ended{State: Refused, Exit: -1})), "0 reads, 0 probes, 0 shell, 0 changes"},
		"offline":                 {stepOf("A", EffectChange, end(Ended{State: Offline, Exit: -1})), "0 reads, 0 probes, 0 shell, 0 changes"},
		"cancelled in time":       {stepOf("A", EffectChange, sent, end(Ended{State: Cancelled, Exit: -1})), "0 reads, 0 probes, 0 shell, 0 changes"},
		"cancelled too late":      {stepOf("A", EffectChange, sent, end(Ended{State: Cancelled, Exit: -1, Duration: 0.1})), "0 reads, 0 probes, 0 shell, 1 change"},
		"waits for an approval":   {stepOf("A", EffectChange), "0 reads, 0 probes, 0 shell, 0 changes"},
		"sent":                    {stepOf("A", EffectChange, sent), "0 reads, 0 probes, 0 shell, 0 changes, 1 that may have run"},
		"lost":                    {stepOf("A", EffectRead, sent, end(Ended{State: Lost})), "0 reads, 0 probes, 0 shell, 0 changes, 1 that may have run"},
	} {
		if got := fold(history(c.evs)...).Receipt().String(); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
		var tally Tally
		if _, whole := tally.Receipt(); whole {
			t.Error("nothing is whole")
		}
		for _, ev := range history(c.evs) {
			ev.Time = time.Unix(1, 0)
			tally.Add(ev)
		}
		if got, whole := tally.Receipt(); got.String() != c.want || !whole {
			t.Errorf("%s, event by event: %s, %v, not %s", name, got, whole, c.want)
		}
	}
	both := fold(history(stepOf("A", EffectRead, began), stepOf("B", EffectRead, began), stepOf("C", EffectShell, began))...)
	if got := both.Receipt(); got != (Receipt{Read: 2, Shell: 1}) || got.String() != "2 reads, 0 probes, 1 shell, 0 changes" {
		t.Errorf("%+v: %s", got, got)
	}
}

// An outliner is a record that can only be read in outline, two events at once.
type outliner struct {
	Reader
	evs []Event
	err error
}

func (o outliner) Outline(_ context.Context, from Seq, _ int) (out []Event, err error) {
	for _, ev := range o.evs {
		if ev.Seq >= from && ev.Kind != StepOutput && len(out) < 2 {
			out = append(out, ev)
		}
	}
	return out, o.err
}

func TestReadReceipt(t *testing.T) {
	began := New(StepStarted, "agent:acme/db01", "", Started{PID: 1})
	evs := history(stepOf("A", EffectRead, began), stepOf("B", EffectProbe, began, NewOutput("agent:acme/db01", "", Chunk{Stream: Stdout})))
	for i := range evs {
		evs[i].Seq, evs[i].Time = Seq(i+1), time.Unix(int64(i+1), 0)
	}
	got, err := ReadReceipt(t.Context(), outliner{evs: evs})
	if err != nil || got != (Receipt{Read: 1, Probe: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
	broken := errors.New("disk on fire")
	if _, err := ReadReceipt(t.Context(), outliner{err: broken}); !errors.Is(err, broken) {
		t.Error(err)
	}
}
