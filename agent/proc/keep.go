package proc

import (
	"errors"
	"os/exec"
	"runtime"
	"time"
)

// keep starts the command, tells started, waits for its end and kills what is
// left of its tree. The thread it is locked to must live as long as the command:
// on Linux the command dies with it.
func (p *Process) keep(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.tree.start(p); err != nil {
		started <- err
		return
	}
	p.started = time.Now()
	started <- nil
	awaitExit(p.cmd.Process) // does not reap: the group's id stays taken until the group is dead
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tree.kill(p)
	p.waitErr = p.cmd.Wait()
	p.lasted = time.Since(p.started)
	p.reaped = true
	for _, t := range p.timers {
		t.Stop()
	}
	p.tree.close()
	close(p.exited)
}

// Wait waits for the end of the command and of its output and returns how it
// ended. It must be called once.
func (p *Process) Wait() Result {
	select {
	case <-p.exited:
	case <-p.stuck:
	}
	p.drain()
	closeAll(p.pipes[:])
	return p.result()
}

func (p *Process) result() Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := Result{State: OK, Code: -1, Duration: p.lasted, Why: p.why}
	if !p.reaped {
		r.State, r.Duration = p.outcome, time.Since(p.started)
		r.Why += "; the process could not be killed, it is stuck in the kernel"
		return r
	}
	exit := &exec.ExitError{}
	switch {
	case p.waitErr == nil:
		r.Code = 0
	case errors.As(p.waitErr, &exit):
		r.State = Failed
		r.Code, r.Signal = exit.ExitCode(), signalOf(exit)
	default:
		r.State, r.Why = Failed, p.waitErr.Error()
	}
	if p.outcome != 0 {
		r.State = p.outcome
	}
	return r
}
