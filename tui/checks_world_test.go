package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// someChecks are declarations as endpoints tell them.
func someChecks(t *testing.T) []check.Spec {
	name := check.Column{Name: "name", Type: check.Text}
	specs := []check.Spec{
		{
			Name: "disk.space", Summary: "free space of each volume", Effect: sessionlog.EffectRead, Source: "statfs of each mount",
			Params: []check.Param{
				{Name: "warn", Summary: "free space under which to warn", Type: check.ANumber, Default: "15", Min: 1, Max: 100, Unit: "%", Threshold: true},
				{Name: "crit", Summary: "free space that is critical", Type: check.ANumber, Default: "5", Min: 1, Max: 100, Unit: "%", Threshold: true},
				{Name: "kind", Summary: "of volumes", Type: check.AnEnum, Values: []string{"local", "remote"}},
				{Name: "all", Summary: "the small ones too", Type: check.ABool},
			},
			Tables: []check.Table{
				{Name: "volumes", Columns: []check.Column{{Name: "volume", Type: check.Text}, {Name: "size", Type: check.Bytes}, {Name: "free", Type: check.Percent}, {Name: "since", Type: check.Time}}},
				{Name: "inodes", Columns: []check.Column{name, {Name: "used", Type: check.Int}}},
			},
		},
		{Name: "mssql.block", Summary: "who waits for whom", Effect: sessionlog.EffectRead, Roles: []string{"db"}, Samples: 5, Source: "dm_os_waiting_tasks"},
		{Name: "net.probe", Summary: "whether ports answer", Effect: sessionlog.EffectProbe, Source: "a dial", Params: []check.Param{{Name: "host", Summary: "which", Type: check.AHost, Required: true}}},
		{Name: "log.watch", Summary: "records as they come", Effect: sessionlog.EffectRead, Live: true, Source: "the journal"},
		{Name: "ad.repl", Summary: "replication between domain controllers", Effect: sessionlog.EffectRead, Roles: []string{"dc"}, Source: "LDAP"},
		{Name: "svc.status", Summary: "services and their state", Effect: sessionlog.EffectRead, Source: "systemd"},
		{
			Name: "svc.restart", Summary: "restart a service", Effect: sessionlog.EffectChange, Source: "systemd", Undo: "start it again",
			Params: []check.Param{{Name: "name", Summary: "the service", Type: check.AText, Required: true, Complete: "svc.status:name"}},
		},
	}
	for i := range 20 {
		specs = append(specs, check.Spec{Name: fmt.Sprintf("zzz.n%d", i), Summary: "one of many", Effect: sessionlog.EffectRead, Source: "x"})
	}
	for i := range specs {
		if specs[i].Timeout, specs[i].MaxRows = 30, 1000; specs[i].Tables == nil {
			specs[i].Tables = []check.Table{{Columns: []check.Column{name}}}
		}
		if err := specs[i].Err(); err != nil {
			t.Fatal(err)
		}
	}
	return specs
}

// ask begins a step that asks a check, as a relay does.
func (w *world) ask(in console.Ask) (console.Receipt, error) {
	i := slices.IndexFunc(w.checks, func(s check.Spec) bool { return s.Name == in.Check })
	if i < 0 {
		return console.Receipt{}, console.Errorf(console.CodeNotFound, "", "no check %q", in.Check)
	}
	if _, err := w.checks[i].Values(in.Args); err != nil {
		return console.Receipt{}, err
	}
	w.session(in.Session).asked(w.t, in.Step, w.checks[i].Effect, check.Ask{Name: in.Check, Args: in.Args}.Line())
	return console.Receipt{Session: in.Session}, nil
}

// asked records that a check was asked and began.
func (s *memorySession) asked(t *testing.T, step sessionlog.StepID, effect sessionlog.Effect, line string) {
	s.add(t, sessionlog.New(sessionlog.StepRequested, sessionlog.Technician("ana"), step, sessionlog.Requested{Command: line, Effect: effect}),
		sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, step, nil),
		sessionlog.New(sessionlog.StepStarted, sessionlog.Agent(s.ep.Path()), step, sessionlog.Started{}))
}

// lastAsk returns the newest check that was asked, and its session.
func (w *world) lastAsk() (*memorySession, console.Ask) {
	w.t.Helper()
	for _, in := range slices.Backward(w.intents()) {
		if a, ok := in.(console.Ask); ok {
			return w.session(a.Session), a
		}
	}
	w.t.Fatal("no check was asked")
	return nil, console.Ask{}
}

// tells records lines of an answer.
func (s *memorySession) tells(t *testing.T, step sessionlog.StepID, lines ...check.Line) {
	t.Helper()
	var text []byte
	for _, l := range lines {
		var err error
		if text, err = l.Append(text); err != nil {
			t.Fatal(err)
		}
	}
	s.put(t, step, sessionlog.RowStream, string(text))
}

func row(cells ...any) check.Line { return check.Line{Row: cells} }

// volumes returns the lines of an answer of disk.space with n volumes, of which the
// third and the fourth are nearly full.
func volumes(spec check.Spec, n int) []check.Line {
	lines := []check.Line{{Table: &spec.Tables[0]}}
	for i := range n {
		free := 40 + i%50
		if i == 2 || i == 3 {
			free = 9 - 3*(i-2)*2
		}
		lines = append(lines, row(fmt.Sprintf("/data/%03d", i), int64(i+1)<<30, free, "2026-11-24T14:00:00Z"))
	}
	lines = append(lines, check.Line{Table: &spec.Tables[1]}, row("/", 12), row("/data/000", 345678))
	return append(lines,
		check.Line{Finding: &check.Finding{Severity: check.Warn, Text: "/data/002 has 9 % free, under 15 %", Value: 9, Threshold: 15, Param: "warn", Unit: "%", Table: "volumes", Rows: []int{2}}},
		check.Line{Finding: &check.Finding{Severity: check.Crit, Text: "/data/003 has 3 % free, under 5 %", Value: 3, Threshold: 5, Param: "crit", Unit: "%", Table: "volumes", Rows: []int{3}}},
		check.Line{Finding: &check.Finding{Severity: check.Info, Text: "two volumes are over 40 GiB"}},
		check.Line{End: &check.End{Verdict: check.Found, Rows: n + 2, Used: map[string]string{"warn": "15", "crit": "5"}}})
}

// openChecks starts a program with a pane of a db server, on which all of someChecks
// can be asked.
func openChecks(t *testing.T, w, h int) (*world, *terminal) {
	world := newWorld(t, "db01")
	world.checks = someChecks(t)
	world.eps[0].Labels["role"] = "db"
	term := start(t, w, h, Config{Backend: world, Open: []string{"acme/*"}})
	term.see("1 acme/db01")
	term.lose("opening")
	return world, term
}

// askDisk asks disk.space with the keys and answers with n volumes.
func askDisk(term *terminal, w *world, n int) (*memorySession, sessionlog.StepID) {
	term.t.Helper()
	term.keys("c")
	term.see("CAISEY checks", "disk.space")
	term.keys("disk")
	term.see("1 of 27 shown")
	term.keys("\r")
	term.see("> disk.space", "RUNNING")
	s, ask := w.lastAsk()
	s.put(term.t, ask.Step, sessionlog.Stdout, strings.Repeat("evidence of disks\n", 100))
	s.tells(term.t, ask.Step, volumes(w.checks[0], n)...)
	return s, ask.Step
}
