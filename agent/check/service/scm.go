//go:build linux || windows

package service

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An scmFact is what Windows' service control manager says of one service, in its own
// numbers.
type scmFact struct {
	Name, Display, Account string
	State                  uint32 // SERVICE_STOPPED and its kin
	StartType              uint32 // SERVICE_AUTO_START and its kin
	Delayed                bool
	Triggers               uint32 // events that start it
	PID                    uint32
	Exit, SpecificExit     uint32
	Began                  time.Time // of its process
	Missing                bool
}

// Numbers of Windows.
const (
	errSpecific     = 1066 // ERROR_SERVICE_SPECIFIC_ERROR: SpecificExit says what
	errNeverStarted = 1077 // ERROR_SERVICE_NEVER_STARTED
	serviceStopped  = 1
	serviceStarting = 2
	serviceStopping = 3
	serviceRunning  = 4
	serviceResuming = 5
	servicePausing  = 6
	servicePaused   = 7
	startBoot       = 0
	startSystem     = 1
	startAutomatic  = 2
	startManual     = 3
	startDisabled   = 4
)

// state returns the fact in the words that all systems share.
func (f scmFact) state() state {
	s := state{
		name: f.Name, display: f.Display, user: f.Account, pid: int(f.PID), since: f.Began,
		state: f.word(), start: f.startWord(), rests: f.Triggers > 0,
	}
	if f.Missing {
		return s
	}
	s.detail = s.state
	exit := int64(f.Exit)
	switch f.Exit {
	case errNeverStarted:
		s.result = "never started"
		return s
	case errSpecific:
		exit = int64(f.SpecificExit)
	}
	if f.State == serviceStopped {
		s.exit = &exit
		s.result = "success"
		if exit != 0 {
			s.result = "exit code"
			s.rests = false
		}
	}
	return s
}

func (f scmFact) word() string {
	if f.Missing {
		return "missing"
	}
	switch f.State {
	case serviceStopped:
		return "stopped"
	case serviceStarting, serviceResuming:
		return "starting"
	case serviceStopping:
		return "stopping"
	case serviceRunning:
		return "running"
	case servicePausing, servicePaused:
		return "paused"
	}
	return "state " + strconv.Itoa(int(f.State))
}

func (f scmFact) startWord() string {
	switch f.StartType {
	case startBoot, startSystem:
		return "boot"
	case startAutomatic:
		if f.Delayed {
			return "delayed"
		}
		return "auto"
	case startManual:
		return "manual"
	case startDisabled:
		return "disabled"
	}
	return "other"
}

// scmQuery selects the records in which the service control manager tells that a
// service failed, within that time.
func scmQuery(since time.Duration) string {
	ids := make([]string, 0, len(scmEvents))
	for _, e := range scmEvents {
		ids = append(ids, fmt.Sprintf("EventID=%d", e.id))
	}
	return fmt.Sprintf("*[System[Provider[@Name='Service Control Manager'] and (%s) and TimeCreated[timediff(@SystemTime) <= %d]]]",
		strings.Join(ids, " or "), since.Milliseconds())
}

// scmEvents are the records of services that failed: the parameter that has the
// service's name, counted from 0, and what the record says. Its message is in the
// machine's language, so it is not read.
var scmEvents = []struct {
	id, name int
	says     string
	again    bool // it ended by itself, and may be started again
}{
	{7000, 0, "did not start", false},
	{7001, 0, "did not start: what it needs does not run", false},
	{7009, 1, "did not start in time", false},
	{7011, 1, "did not answer in time", false},
	{7022, 0, "hung at its start", false},
	{7023, 0, "ended with an error", false},
	{7024, 0, "ended with an error of its own", false},
	{7031, 0, "ended unexpectedly", true},
	{7032, 2, "could not be started again", false},
	{7034, 0, "ended unexpectedly", true},
	{7038, 0, "could not log on", false},
}

// scmFailures folds records and facts into failures: those that told of one since
// then, and those that are stopped with an error though they start by themselves.
func scmFailures(facts []scmFact, events []event, now time.Time) []failure {
	byName := map[string]*failure{}
	var order []string
	get := func(name string) *failure {
		f := byName[name]
		if f == nil {
			f = &failure{name: name}
			byName[name] = f
			order = append(order, name)
		}
		return f
	}
	display := map[string]state{}
	for _, fact := range facts {
		s := fact.state()
		display[fact.Display] = s
		if (s.start == "auto" || s.start == "delayed") && s.state == "stopped" && s.exit != nil && *s.exit != 0 {
			f := get(s.name)
			f.state, f.result, f.exit, f.failed = s.state, s.result, s.exit, true
		}
	}
	for _, e := range events {
		for _, kind := range scmEvents {
			if e.id() != strconv.Itoa(kind.id) || kind.name >= len(e.Data) {
				continue
			}
			name := e.Data[kind.name].Value
			if s, ok := display[name]; ok {
				name = s.name
			}
			get(name).add(e.time(), kind.says, kind.again, now)
		}
	}
	for _, s := range display {
		if f := byName[s.name]; f != nil && f.state == "" {
			f.state = s.state
		}
	}
	all := make([]failure, 0, len(order))
	for _, name := range order {
		all = append(all, *byName[name])
	}
	return all
}

// add adds what a record says.
func (f *failure) add(at time.Time, says string, again bool, now time.Time) {
	if again && now.Sub(at) <= restartWindow {
		f.restarts++
	}
	if at.After(f.last) {
		f.last, f.result, f.failed = at, says, true
	}
}
