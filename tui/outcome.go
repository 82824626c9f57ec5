package tui

import (
	"fmt"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// outcome says what became of a block's step, and how to draw it.
func (t *theme) outcome(b *block, now time.Time) (string, paint) {
	switch {
	case b.step == "":
		return "", paint{}
	case b.ended == nil:
		return b.progress(now), t.busy
	}
	took := ""
	if b.ended.Duration > 0 {
		took = fmt.Sprintf("  %6s", seconds(b.ended.Duration))
	}
	switch e := b.ended; {
	case e.State == sessionlog.OK && b.told != nil:
		word, kind := b.told.brief()
		return word + took, t.look(kind)
	case e.State == sessionlog.OK:
		return "exit 0" + took, t.good
	case e.State == sessionlog.Failed && e.Signal != "":
		return "failed: " + vt.Plain(e.Signal) + took, t.bad
	case e.State == sessionlog.Failed && e.Exit >= 0:
		return fmt.Sprintf("exit %d", e.Exit) + took, t.bad
	default:
		return vt.Plain(string(e.State)) + took, t.bad
	}
}

// progress says how far a step has come that has not ended.
func (b *block) progress(now time.Time) string {
	word := "RUNNING"
	switch {
	case b.cancel:
		word = "CANCELLING"
	case b.held:
		return "WAITING " + clock(b.expires.Sub(now)) + " left"
	case b.started.IsZero() && b.dispatched:
		return "SENT"
	case b.started.IsZero():
		return "WAITING"
	}
	if b.started.IsZero() {
		return word
	}
	return word + " " + clock(now.Sub(b.started))
}

// seconds writes a step's duration.
func seconds(s float64) string {
	switch d := time.Duration(s * float64(time.Second)); {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return clock(d)
	}
}

// clock writes a duration as MM:SS or H:MM:SS.
func clock(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

// when writes a moment: the time of day, with the date if that is not today's.
func when(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("Jan 02 15:04")
}
