//go:build linux || windows

package service

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
)

// TestEventLanguages reads the same record of Windows in four languages: all but the
// message is the same.
func TestEventLanguages(t *testing.T) {
	for lang, word := range map[string]string{
		"en": "The Print Spooler service terminated unexpectedly",
		"de": "Dienst \"Druckwarteschlange\" wurde unerwartet beendet",
		"ru": "Служба \"Диспетчер печати\" неожиданно прервана",
		"ja": "サービスは予期せぬ原因により終了しました",
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "event_"+lang+".xml"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := parseEvent(string(text))
		if err != nil {
			t.Fatal(lang, err)
		}
		r := e.record()
		if !strings.Contains(r.message, word) {
			t.Errorf("%s: message %q", lang, r.message)
		}
		if r.source != "Service Control Manager" || r.id != "7034" || r.level != "error" || r.number != "System 48211" ||
			!r.time.Equal(time.Date(2026, 10, 7, 6, 31, 4, 123456700, time.UTC)) {
			t.Errorf("%s: %+v", lang, r)
		}
		if len(e.Data) != 2 || e.Data[1].Value != "1" {
			t.Errorf("%s: data %v", lang, e.Data)
		}
	}
}

func TestEventWithoutWords(t *testing.T) {
	e := scmEvent(t, 7009, time.Now(), "30000", "Spooler")
	if got := e.record().message; got != "param1=30000; param2=Spooler" {
		t.Errorf("message %q", got)
	}
	for _, bad := range []string{"", "<Event/>", "<Event><System><EventID>1</EventID></System></Event>", "no XML", "<Event><System>"} {
		if _, err := parseEvent(bad); err == nil {
			t.Errorf("%q is an event", bad)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, lang := range []string{"en", "ja"} {
		text, err := os.ReadFile(filepath.Join("testdata", "event_"+lang+".xml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := parseEvent(text); err == nil && e.record().time.IsZero() {
			t.Error("an event without a time")
		}
	})
}

func TestEventQuery(t *testing.T) {
	for _, one := range []struct{ level, provider, want string }{
		{"crit", "", "*[System[(Level=1) and TimeCreated[timediff(@SystemTime) <= 60000]]]"},
		{"error", "", "*[System[(Level=1 or Level=2) and TimeCreated[timediff(@SystemTime) <= 60000]]]"},
		{"info", "Disk", "*[System[Provider[@Name='Disk'] and (Level=1 or Level=2 or Level=3 or Level=0 or Level=4) and TimeCreated[timediff(@SystemTime) <= 60000]]]"},
		{"warning", "a'] or \"x", "*[System[Provider[@Name=\"a'] or x\"] and (Level=1 or Level=2 or Level=3) and TimeCreated[timediff(@SystemTime) <= 60000]]]"},
	} {
		if got := eventQuery(one.level, one.provider, time.Minute); got != one.want {
			t.Errorf("%s %s: %s", one.level, one.provider, got)
		}
	}
}

// TestErrorsBurst counts records of an event log: a last hour unlike those before is a
// finding.
func TestErrorsBurst(t *testing.T) {
	now := time.Now()
	events := make([]event, 0, 52)
	for i := range 40 {
		events = append(events, scmEvent(t, 7034, now.Add(-time.Duration(i)*time.Minute), "Spooler", "1"))
	}
	for i := range 12 {
		events = append(events, scmEvent(t, 7000, now.Add(-time.Duration(i+2)*time.Hour), "Fax", "1"))
	}
	read := func(events []event) ledger {
		return func(_ context.Context, in check.Input, out *check.Out) (*tally, error) {
			tl := newTally(now, in.Duration("since"))
			tellEvents(events, in.Int("n"), tl, out)
			return tl, nil
		}
	}
	a := checktest.Ask(t, logErrors(read(events)), "n", "5")
	if f := a.Finding(t, "burst"); f.Text != "40 errors in the last hour, 40 times the mean of the hours before, over 10" {
		t.Errorf("finding %q", f.Text)
	}
	if f := a.Finding(t, "info"); f.Text != "52 errors in 24 h, most of them, 52, from Service Control Manager" {
		t.Errorf("finding %q", f.Text)
	}
	if n := len(a.Column(t, "", "time")); n != 5 {
		t.Errorf("%d rows, asked for 5", n)
	}
	a = checktest.Ask(t, logErrors(read(events[40:])))
	if len(a.Findings) != 1 {
		t.Errorf("findings %+v: twelve in as many hours are no burst", a.Findings)
	}
	checktest.Ask(t, logErrors(read(nil))).Fine(t)
}
