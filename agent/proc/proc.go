package proc

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// The streams of a command.
const (
	Stdout = 1
	Stderr = 2
)

const (
	// readSize is the most bytes that a Sink is given at once.
	readSize = 32 << 10
	// termGrace is how long a command has between SIGTERM and SIGKILL.
	termGrace = 2 * time.Second
	// killGrace is how long a command has to die of SIGKILL; after that it is
	// stuck in the kernel and is given up.
	killGrace = 5 * time.Second
	// pipeGrace is how long the pipes of a dead group may stay open before
	// whoever holds them is looked for.
	pipeGrace = 100 * time.Millisecond
)

// A Command is what to run.
type Command struct {
	// Line is given to the shell as it is.
	Line string
	// Step, Session and Technician become the environment variables
	// CAISEY_STEP, CAISEY_SESSION and CAISEY_TECHNICIAN.
	Step, Session, Technician string
	// Timeout ends the command after that time. If zero, it has no limit.
	Timeout time.Duration
}

// A Sink takes output. It may block; it must not keep data. It is called by one
// goroutine a stream. If it fails, the command is killed.
type Sink func(stream int, data []byte) error

// A State says how a command ended.
type State int

// The ways to end.
const (
	OK        State = iota + 1 // exit code 0
	Failed                     // any other end of its own, or one by a signal from elsewhere
	TimedOut                   // over Command.Timeout
	Cancelled                  // by Stop
)

// A Result is the end of a command.
type Result struct {
	State State
	// Code is the exit code, -1 if there is none.
	Code int
	// Signal names the signal that killed the command, if one did.
	Signal string
	// Why says more, in one line for people.
	Why string
	// Duration is how long the command itself ran.
	Duration time.Duration
}

// A Process is a command that runs. Its methods may be called concurrently.
type Process struct {
	// Static after Start.
	command Command
	cmd     *exec.Cmd
	sink    Sink
	ident   Ident
	started time.Time
	pipes   [2]*os.File   // read ends; read by one reader each, closed by Wait
	exited  chan struct{} // closed when the command is reaped
	stuck   chan struct{} // closed when it does not die
	readers sync.WaitGroup
	tree    tree // kills what the command started

	mu      sync.Mutex // guards what follows; never held while waiting
	reaped  bool
	killed  bool   // by us, before its end
	outcome State  // why it was stopped, 0 if it was not
	why     string // with outcome
	timers  []*time.Timer
	lasted  time.Duration
	waitErr error
}

// Start starts c and returns when it runs. Wait must be called. It fails where
// there is no shell to start.
func Start(c Command, sink Sink) (*Process, error) {
	p := &Process{command: c, sink: sink, exited: make(chan struct{}), stuck: make(chan struct{})}
	var writeEnds [2]*os.File
	for i := range p.pipes {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(p.pipes[:i], writeEnds[:i])
			return nil, fmt.Errorf("make pipe: %w", err)
		}
		p.pipes[i], writeEnds[i] = r, w
	}
	p.cmd = shell(c.Line)
	p.cmd.Env = environ(c)
	p.cmd.Stdout, p.cmd.Stderr = writeEnds[0], writeEnds[1]

	started := make(chan error)
	go p.keep(started) // ends with the command
	err := <-started
	closeAll(writeEnds[:])
	if err != nil {
		closeAll(p.pipes[:])
		return nil, fmt.Errorf("start shell: %w", err)
	}
	p.ident = identify(p)
	for i := range p.pipes {
		p.readers.Go(func() { p.read(i+1, p.pipes[i]) })
	}
	if c.Timeout > 0 {
		p.after(c.Timeout, func() { p.stop(TimedOut, "ran longer than "+c.Timeout.String()) })
	}
	return p, nil
}

// Ident returns what a later agent needs to find the process.
func (p *Process) Ident() Ident { return p.ident }

// Stop ends the command: it is asked to (SIGTERM) and, 2 seconds later, killed.
// Its Result is Cancelled with why, unless it was ending for another reason.
func (p *Process) Stop(why string) { p.stop(Cancelled, why) }

func (p *Process) stop(outcome State, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outcome != 0 || p.reaped {
		return
	}
	p.outcome, p.why = outcome, why
	p.tree.terminate(p)
	p.afterLocked(termGrace, p.kill)
}

// kill is the second half of a stop.
func (p *Process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killLocked()
}

func (p *Process) killLocked() {
	if p.reaped || p.killed {
		return
	}
	p.killed = true
	p.tree.kill(p)
	p.afterLocked(killGrace, func() { close(p.stuck) })
}

func (p *Process) after(d time.Duration, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.afterLocked(d, f)
}

func (p *Process) afterLocked(d time.Duration, f func()) {
	if !p.reaped {
		p.timers = append(p.timers, time.AfterFunc(d, f))
	}
}

func closeAll(files ...[]*os.File) {
	for _, fs := range files {
		for _, f := range fs {
			_ = f.Close()
		}
	}
}
