//go:build linux || windows

package service

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
)

// facts are services of a Windows server, in the numbers of its manager.
var facts = []scmFact{
	{Name: "W3SVC", Display: "WWW-Publishingdienst", Account: "LocalSystem", State: serviceRunning, StartType: startAutomatic, PID: 1204, Began: time.Unix(1.7e9, 0)},
	{Name: "Spooler", Display: "Druckwarteschlange", State: serviceStopped, StartType: startAutomatic, Exit: 1067},
	{Name: "AppX", Display: "App X", State: serviceStopped, StartType: startAutomatic, Delayed: true, Exit: errSpecific, SpecificExit: 42},
	{Name: "sppsvc", Display: "Software Protection", State: serviceStopped, StartType: startAutomatic, Delayed: true, Triggers: 1},
	{Name: "Fax", Display: "Fax", State: serviceStopped, StartType: startManual, Exit: errNeverStarted},
	{Name: "Slow", Display: "Slow", State: serviceStarting, StartType: startAutomatic, PID: 9},
	{Name: "Gone", Missing: true},
}

func listFacts(_ context.Context, _ *check.Out, names []string) ([]state, error) {
	var all []state
	for _, f := range facts {
		if len(names) == 0 && !f.Missing || slices.Contains(names, f.Name) {
			all = append(all, f.state())
		}
	}
	return all, nil
}

func TestStatusOfWindows(t *testing.T) {
	a := checktest.Ask(t, svcStatus(listFacts))
	var got []string
	for _, f := range a.Findings {
		got = append(got, string(f.Severity)+" "+f.Text)
	}
	want := []string{
		"crit Spooler should run and does not: exit code, exit 1067",
		"crit AppX should run and does not: exit code, exit 42",
		"info Slow is starting",
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings %q", got)
	}
	if got := a.Column(t, "", "start"); !slices.Equal(got, []string{"auto", "auto", "delayed", "delayed", "manual", "auto"}) {
		t.Errorf("starts %v", got)
	}
	if got := a.Column(t, "", "exit"); !slices.Equal(got, []string{"-", "1067", "42", "0", "-", "-"}) {
		t.Errorf("exits %v", got)
	}
	checktest.Ask(t, svcStatus(listFacts), "name", "W3SVC").Fine(t)
	if f := checktest.Ask(t, svcStatus(listFacts), "name", "Gone").Finding(t, "crit"); f.Text != "there is no service Gone" {
		t.Errorf("finding %q", f.Text)
	}
	denied := func(context.Context, *check.Out, []string) ([]state, error) {
		return nil, check.Unknown("Access is denied.")
	}
	if why := checktest.Ask(t, svcStatus(denied)).CannotTell(t); why != "Access is denied." {
		t.Error(why)
	}
}

func TestStartTakesLong(t *testing.T) {
	now := time.Unix(1.7e9, 0)
	s := state{name: "x", state: "starting", since: now.Add(-time.Minute)}
	if f, ok := s.wrong(false, 2*time.Minute, now); !ok || f.Severity != check.Info || f.Text != "x has been starting for 1m0s" {
		t.Errorf("%v %+v", ok, f)
	}
	s.since = now.Add(-3 * time.Minute)
	if f, ok := s.wrong(false, 2*time.Minute, now); !ok || f.Severity != check.Warn || f.Param != "grace" {
		t.Errorf("%v %+v", ok, f)
	}
}

// scmEvent is a record of the manager as EvtRender has it: no message, so no language.
func scmEvent(t *testing.T, id int, at time.Time, data ...string) event {
	t.Helper()
	var params strings.Builder
	for i, d := range data {
		params.WriteString("<Data Name='param" + strconv.Itoa(i+1) + "'>" + d + "</Data>")
	}
	e, err := parseEvent("<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>" +
		"<Provider Name='Service Control Manager' Guid='{555908d1-a6d7-4695-8e1e-26931d2012f4}' EventSourceName='Service Control Manager'/>" +
		"<EventID Qualifiers='49152'>" + strconv.Itoa(id) + "</EventID><Version>0</Version><Level>2</Level>" +
		"<TimeCreated SystemTime='" + at.UTC().Format("2006-01-02T15:04:05.0000000Z") + "'/><EventRecordID>5</EventRecordID>" +
		"<Channel>System</Channel></System><EventData>" + params.String() + "</EventData></Event>")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFailuresOfWindows(t *testing.T) {
	now := time.Now()
	list := func(context.Context, *check.Out, time.Time) ([]failure, error) {
		return scmFailures(facts, []event{
			scmEvent(t, 7031, now.Add(-time.Minute), "WWW-Publishingdienst", "3", "60000", "1", "Neustart"),
			scmEvent(t, 7031, now.Add(-2*time.Minute), "WWW-Publishingdienst", "2", "60000", "1", "Neustart"),
			scmEvent(t, 7034, now.Add(-3*time.Minute), "WWW-Publishingdienst", "1"),
			scmEvent(t, 7009, now.Add(-time.Hour), "30000", "Nicht mehr da"),
			scmEvent(t, 7036, now, "Fax", "beendet"),
		}, now), nil
	}
	a := checktest.Ask(t, svcFailed(list))
	if got := a.Column(t, "", "name"); !slices.Equal(got, []string{"W3SVC", "Nicht mehr da", "AppX", "Spooler"}) {
		t.Errorf("names %q", got)
	}
	if f := a.Finding(t, "restarts"); f.Text != "W3SVC was started again 3 times in 10 minutes" {
		t.Errorf("finding %q", f.Text)
	}
	none := func(context.Context, *check.Out, time.Time) ([]failure, error) { return nil, nil }
	checktest.Ask(t, svcFailed(none)).Fine(t)
	if q := scmQuery(time.Hour); !strings.Contains(q, "EventID=7000 or ") || !strings.HasSuffix(q, "<= 3600000]]]") {
		t.Error(q)
	}
}
