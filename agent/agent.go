package agent

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/caisey/caisey/agent/policy"
	"github.com/caisey/caisey/agent/spool"
)

const (
	// ackWait is how long a stopping agent waits for its last output to be recorded.
	ackWait = 3 * time.Second
	// endWait is how long it waits for killed steps whose spool is full.
	endWait = 3 * time.Second
)

// errStopped is why connections of a stopped agent end.
var errStopped = errors.New("agent was stopped")

// Run runs the agent until ctx ends. Then it kills the steps that run, gives the
// relay a moment to record that, and returns nil. It returns an error if it can
// not begin.
func Run(ctx context.Context, cfg Config) error {
	d, err := openData(cfg.Data)
	if err != nil {
		return err
	}
	defer d.close()
	e, err := d.enrolment()
	if err != nil {
		return err
	}
	if cfg.Relay != "" {
		e.Addr = cfg.Relay
	}
	identity, err := loadIdentity(d)
	if err != nil {
		return err
	}
	resume := openResume(d, cfg.log())
	checks, err := newCatalogue(cfg.Checks)
	if err != nil {
		return err
	}
	journal, err := spool.OpenJournal(d.file("ran"))
	if err != nil {
		return err
	}
	steps, err := openSteps(ctx, cfg, filepath.Join(d.path, "spool"), journal, identity.Private())
	if err != nil {
		return errors.Join(err, journal.Close())
	}
	cfg.log().Info("agent starts", "name", e.Name, "client", e.Client, "relay", e.Addr)
	tellPolicy(cfg.log(), steps.policy)
	l := &link{
		cfg: cfg, steps: steps, log: cfg.log(), relay: e.Addr,
		note: d.noteStatus, resume: resume, checks: checks,
		dialer: &dialer{cfg: cfg, identity: identity, key: e.RelayKey, addr: e.Addr},
	}
	defer d.forgetStatus()
	l.runUntil(ctx)
	return errors.Join(steps.close(), journal.Close())
}

// tellPolicy logs what the endpoint's own policy is now. Whoever changes it need not
// look here: it is read at every step.
func tellPolicy(log *slog.Logger, file *policy.File) {
	p, err := file.Read()
	if err != nil {
		log.Error("own policy can not be used: everything is refused until it can", "file", file.Path, "err", err)
		return
	}
	log.Info("own policy", "file", file.Path, "says", p.String())
}

// runUntil keeps the agent connected until ctx ends, and some longer: what
// becomes of the steps is still to be told.
func (l *link) runUntil(ctx context.Context) {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(errStopped)
	var redial sync.WaitGroup
	redial.Go(func() { l.redial(life) })
	<-ctx.Done()
	l.log.Info("agent stops")
	l.drain(errStopped.Error())
	l.steps.stop()
	if l.connected() {
		wait := time.NewTimer(ackWait)
		defer wait.Stop()
		select {
		case <-l.steps.emptied():
		case <-wait.C:
		}
	}
	end(errStopped)
	redial.Wait()
}
