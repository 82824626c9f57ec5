//go:build windows || darwin

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kardianos/service"
)

func newManager() manager { return native{} }

// native is the service manager of Windows or macOS.
type native struct{}

// open returns the service as its manager knows it.
func (native) open(p service.Interface, s setup) (service.Service, error) {
	return service.New(p, &service.Config{
		Name: serviceName, DisplayName: "Caisey agent", Executable: s.exe, Arguments: s.args(),
		Description: "Runs what the technicians of this machine's Caisey relay ask for, and records it there.",
		Option: service.KeyValue{
			"OnFailure": "restart", "OnFailureDelayDuration": "5s", // Windows
			"KeepAlive": true, "RunAtLoad": true, // macOS
		},
	})
}

// guard implements manager. The service runs as root, or as the system's account.
func (native) guard(s setup) error { return guard{}.check(s) }

// install implements manager.
func (m native) install(_ context.Context, s setup) (did []string, err error) {
	svc, err := m.open(&program{}, s)
	if err != nil {
		return nil, err
	}
	if err := svc.Install(); err != nil {
		return nil, err
	}
	did = append(did, fmt.Sprintf("made the service %s (%s)", serviceName, svc.Platform()))
	if err := svc.Start(); err != nil {
		return did, fmt.Errorf("start it: %w", err)
	}
	return append(did, "started it"), nil
}

// uninstall implements manager.
func (m native) uninstall(context.Context) (did []string, err error) {
	svc, err := m.open(&program{}, setup{})
	if err != nil {
		return nil, err
	}
	state, err := svc.Status()
	if err != nil {
		return nil, err
	}
	if state == service.StatusRunning {
		if err := svc.Stop(); err != nil {
			return nil, fmt.Errorf("stop it: %w", err)
		}
		did = append(did, "stopped "+serviceName)
	}
	if err := svc.Uninstall(); err != nil {
		return did, err
	}
	return append(did, "removed the service "+serviceName), nil
}

// state implements manager.
func (m native) state(context.Context) (string, bool, error) {
	svc, err := m.open(&program{}, setup{})
	if err != nil {
		return "", false, err
	}
	state, err := svc.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		return "not installed", false, nil
	case err != nil:
		return "", false, err
	case state == service.StatusRunning:
		return "running", true, nil
	}
	return "stopped", false, nil
}

// A program is an agent that a service manager starts and stops.
type program struct {
	ctx  context.Context // of the agent; a service has no other place for it
	stop context.CancelFunc
	run  func(context.Context, io.Writer) error
	log  io.Writer
	done chan struct{}
}

// Start implements service.Interface.
func (p *program) Start(service.Service) error {
	go func() {
		defer close(p.done)
		if err := p.run(p.ctx, p.log); err != nil && p.ctx.Err() == nil {
			fmt.Fprintln(p.log, serviceName+": "+err.Error())
			os.Exit(exitError) // the manager starts it again
		}
	}()
	return nil
}

// Stop implements service.Interface.
func (p *program) Stop(service.Service) error {
	p.stop()
	<-p.done
	return nil
}

// serve runs the agent until ctx ends or the service manager stops it.
func serve(ctx context.Context, log io.Writer, run func(context.Context, io.Writer) error) error {
	if service.Interactive() {
		return run(ctx, log)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p := &program{ctx: ctx, stop: stop, run: run, log: log, done: make(chan struct{})}
	svc, err := native{}.open(p, setup{})
	if err != nil {
		return err
	}
	if system, err := svc.SystemLogger(nil); err == nil && svc.Platform() == "windows-service" {
		p.log = events{system} // stderr leads nowhere there
	}
	return svc.Run()
}

// events writes lines to the system's log of events.
type events struct{ log service.Logger }

func (e events) Write(b []byte) (int, error) { return len(b), e.log.Info(string(b)) }
