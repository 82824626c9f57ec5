package agent

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/policy"
	"github.com/caisey/caisey/agent/proc"
	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
)

// Config says how an agent behaves. Only Data must be set.
type Config struct {
	// Data is the directory of all that the agent keeps.
	Data string
	// Name is the endpoint name that Enroll asks for. If empty, the host's name.
	Name string
	// Relay is where the relay is now, "host:port". If empty, where it was at
	// enrolment. Its key is pinned either way.
	Relay string
	// Version is the agent's own version. If empty, "dev".
	Version string
	// Log is told what happens. If nil, nobody is.
	Log *slog.Logger
	// Socket opens the socket to dial from. If nil, UDP on all addresses.
	Socket func() (net.PacketConn, error)
	// MaxSteps is how many steps run at once. If zero, wire.MaxStreams.
	MaxSteps int
	// Policy is the file of the endpoint's own policy (package policy), which must be
	// there. If empty, it is "policy" in Data, which need not be.
	Policy string
	// Checks are what this endpoint can be asked (package check/catalogue).
	Checks []check.Check
	// Secrets is the directory of the secrets that checks may use. If empty, it is
	// "secrets" in Data.
	Secrets string
	// Spool says how much output a step may keep.
	Spool spool.Config

	start starter // runs a command; if nil, proc.Start
}

// A process is a *proc.Process, or a test's stand-in where time is simulated.
type process interface {
	Ident() proc.Ident
	Stop(why string)
	Wait() proc.Result
}

type starter func(proc.Command, proc.Sink) (process, error)

func (c Config) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

func (c Config) maxSteps() int {
	if c.MaxSteps == 0 {
		return wire.MaxStreams
	}
	return c.MaxSteps
}

// PolicyFile returns where the endpoint's own policy stands.
func (c Config) PolicyFile() *policy.File {
	if c.Policy != "" {
		return &policy.File{Path: c.Policy, Required: true}
	}
	return &policy.File{Path: filepath.Join(c.Data, "policy")}
}

func (c Config) secrets() check.Secrets {
	if c.Secrets != "" {
		return check.Secrets{Dir: c.Secrets}
	}
	return check.Secrets{Dir: filepath.Join(c.Data, "secrets")}
}

func (c Config) socket() (net.PacketConn, error) {
	if c.Socket == nil {
		return net.ListenUDP("udp", nil)
	}
	return c.Socket()
}

func (c Config) starter() starter {
	if c.start != nil {
		return c.start
	}
	return func(cmd proc.Command, sink proc.Sink) (process, error) {
		p, err := proc.Start(cmd, sink)
		if err != nil {
			return nil, err
		}
		return p, nil
	}
}

// machine returns what the relay is told about this machine.
func (c Config) machine() *wire.Machine {
	host, _ := os.Hostname()
	version := c.Version
	if version == "" {
		version = "dev"
	}
	return &wire.Machine{Host: host, Os: runtime.GOOS, Arch: runtime.GOARCH, Version: version}
}
