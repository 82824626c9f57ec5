package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/caisey/caisey/agent/check"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// Where the facts about services come from, in one line.
const (
	servicesSource = "the Windows service control manager"
	failuresSource = "the Windows service control manager, and its records in the channel System"
)

// An scm asks the service control manager.
type scm struct{}

// connect opens the manager with the right to look only: mgr.Connect wants all rights.
func (scm) connect() (*mgr.Mgr, error) {
	h, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT|windows.SC_MANAGER_ENUMERATE_SERVICE)
	if err != nil {
		return nil, fmt.Errorf("open the service control manager: %w", err)
	}
	return &mgr.Mgr{Handle: h}, nil
}

func open(m *mgr.Mgr, name string, rights uint32) (*mgr.Service, error) {
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	h, err := windows.OpenService(m.Handle, p, rights)
	if err != nil {
		return nil, err
	}
	return &mgr.Service{Name: name, Handle: h}, nil
}

// services is the lister of the service control manager.
func (s scm) services(ctx context.Context, out *check.Out, names []string) ([]state, error) {
	facts, err := s.facts(ctx, names)
	all := make([]state, 0, len(facts))
	for _, f := range facts {
		all = append(all, f.state())
		out.Raw(fmt.Appendf(nil, "%+v\n", f))
	}
	return all, err
}

// facts returns what is known of those services, or of all. One that may not be looked
// at is left out of all.
func (s scm) facts(ctx context.Context, names []string) ([]scmFact, error) {
	m, err := s.connect()
	if err != nil {
		return nil, err
	}
	defer m.Disconnect()
	asked := len(names) > 0
	if !asked {
		if names, err = m.ListServices(); err != nil {
			return nil, fmt.Errorf("list services: %w", err)
		}
		slices.Sort(names)
	}
	var all []scmFact
	for _, name := range names {
		if ctx.Err() != nil {
			return all, context.Cause(ctx)
		}
		f, err := fact(m, name)
		switch {
		case errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
			f = scmFact{Name: name, Missing: true}
		case err != nil && asked:
			return all, fmt.Errorf("read service %s: %w", name, err)
		case err != nil:
			continue
		}
		all = append(all, f)
	}
	return all, nil
}

func fact(m *mgr.Mgr, name string) (scmFact, error) {
	s, err := open(m, name, windows.SERVICE_QUERY_STATUS|windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return scmFact{}, err
	}
	defer s.Close()
	c, err := s.Config()
	if err != nil {
		return scmFact{}, err
	}
	st, err := s.Query()
	if err != nil {
		return scmFact{}, err
	}
	return scmFact{
		Name: name, Display: c.DisplayName, Account: c.ServiceStartName, State: uint32(st.State), StartType: c.StartType,
		Delayed: c.DelayedAutoStart, Triggers: triggers(s.Handle), PID: st.ProcessId, Exit: st.Win32ExitCode,
		SpecificExit: st.ServiceSpecificExitCode, Began: began(st.ProcessId),
	}, nil
}

// triggers counts the events that start the service.
func triggers(h windows.Handle) uint32 {
	buf := make([]byte, 8<<10)
	var needed uint32
	err := windows.QueryServiceConfig2(h, windows.SERVICE_CONFIG_TRIGGER_INFO, &buf[0], uint32(len(buf)), &needed)
	if err != nil {
		return 0
	}
	return *(*uint32)(unsafe.Pointer(&buf[0])) // SERVICE_TRIGGER_INFO begins with their number
}

// began returns when the process began; zero if that may not be seen.
func began(pid uint32) time.Time {
	if pid == 0 {
		return time.Time{}
	}
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return time.Time{}
	}
	defer windows.CloseHandle(h)
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(h, &created, &exited, &kernel, &user) != nil {
		return time.Time{}
	}
	return time.Unix(0, created.Nanoseconds())
}

// failures is the failureLister of the service control manager.
func (s scm) failures(ctx context.Context, out *check.Out, since time.Time) ([]failure, error) {
	facts, err := s.facts(ctx, nil)
	if err != nil {
		return nil, err
	}
	w, err := newWevt()
	if err != nil {
		return scmFailures(facts, nil, time.Now()), err
	}
	events, err := w.read(ctx, out, "System", scmQuery(time.Since(since)), maxCounted)
	return scmFailures(facts, events, time.Now()), err
}

// restart stops the service, waits until it has stopped, and starts it. One on which
// others that run depend is left alone: they would have to stop too.
func (s scm) restart(ctx context.Context, name string) error {
	m, err := s.connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	v, err := open(m, name, windows.SERVICE_QUERY_STATUS|windows.SERVICE_START|windows.SERVICE_STOP|windows.SERVICE_ENUMERATE_DEPENDENTS)
	if err != nil {
		return fmt.Errorf("open service %s: %w", name, err)
	}
	defer v.Close()
	if others, err := v.ListDependentServices(svc.Active); err != nil {
		return fmt.Errorf("list what depends on %s: %w", name, err)
	} else if len(others) > 0 {
		return fmt.Errorf("restart %s: %v depend on it and run: nothing was changed", name, others)
	}
	st, err := v.Query()
	if err != nil {
		return fmt.Errorf("read service %s: %w", name, err)
	}
	if st.State != svc.Stopped {
		if _, err := v.Control(svc.Stop); err != nil {
			return fmt.Errorf("stop %s: %w", name, err)
		}
		if err := waitFor(ctx, v, svc.Stopped); err != nil {
			return fmt.Errorf("stop %s: %w", name, err)
		}
	}
	if err := v.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	if err := waitFor(ctx, v, svc.Running); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return nil
}

// waitFor waits until the service is in that state. Started, it may also stop again.
func waitFor(ctx context.Context, s *mgr.Service, want svc.State) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := s.Query()
		switch {
		case err != nil:
			return err
		case st.State == want:
			return nil
		case st.State == svc.Stopped:
			return fmt.Errorf("it stopped with %d", st.Win32ExitCode)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
