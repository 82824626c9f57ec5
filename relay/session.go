package relay

import (
	"context"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A session is a live session. One goroutine owns it: what others want from it
// they put into its mailbox.
type session struct {
	// Static after newSession.
	relay *Relay
	rec   *record
	info  sessionlog.Opened
	since time.Time
	mail  chan func()   // each is run by the owner
	over  chan struct{} // closed when the owner stops

	// Owned by the owner goroutine.
	steps   map[sessionlog.StepID]*step
	closing bool // no new steps
	sealed  bool

	drivers sync.WaitGroup // one for each running step

	mu      sync.Mutex // guards what follows
	running map[sessionlog.StepID]bool
	ended   chan struct{} // closed and replaced when a step ends
	asked   int           // steps so far
	viewers int
	touched time.Time // newest change
	closed  time.Time
}

func newSession(r *Relay, rec *record, info sessionlog.Opened, since time.Time) *session {
	return &session{
		relay: r, rec: rec, info: info, since: since,
		mail: make(chan func()), over: make(chan struct{}),
		steps: map[sessionlog.StepID]*step{}, running: map[sessionlog.StepID]bool{},
		ended: make(chan struct{}), touched: time.Now(),
	}
}

func (s *session) post() post { return post{s.info.Technician, s.info.Endpoint} }

// own runs the mailbox until the session is sealed or the relay stops.
func (s *session) own() {
	defer s.rec.release()
	defer s.drivers.Wait()
	defer close(s.over)
	idle := time.NewTicker(max(s.relay.cfg.IdleSeal/4, time.Millisecond))
	defer idle.Stop()
	for !s.sealed {
		select {
		case f := <-s.mail:
			f()
		case <-idle.C:
			s.sealIfIdle()
		case <-s.relay.ctx.Done():
			return
		}
	}
}

var errOver = console.Errorf(console.CodeUsage, "open a new one", "the session is closed")

// call has the owner run f, and waits for it.
func (s *session) call(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	select {
	case s.mail <- func() { done <- f() }:
		return <-done // the owner runs all that it took
	case <-s.over:
		return errOver
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run asks for a step. It returns the Seq of the request once that is on disk.
func (s *session) run(ctx context.Context, actor sessionlog.Actor, in console.Run, req sessionlog.Requested) (sessionlog.Seq, error) {
	var asked *sessionlog.Commit
	err := s.call(ctx, func() error {
		if st := s.steps[in.Step]; st != nil {
			asked = st.asked
			return nil
		}
		if s.closing {
			return errOver
		}
		var err error
		asked, err = s.begin(ctx, actor, in.Step, req)
		return err
	})
	if err != nil {
		return 0, err
	}
	head, err := asked.Wait(ctx)
	if err != nil {
		return 0, err
	}
	return head.Seq - 1, nil // the request is the first of two events
}

// begin records the request and, where the endpoint is connected, starts a
// driver for it. Runs on the owner.
func (s *session) begin(ctx context.Context, actor sessionlog.Actor, id sessionlog.StepID, req sessionlog.Requested) (*sessionlog.Commit, error) {
	requested := sessionlog.New(sessionlog.StepRequested, actor, id, req)
	next := sessionlog.New(sessionlog.StepDispatched, sessionlog.Relay, id, nil)
	link, _ := s.relay.agents.get(s.info.Endpoint)
	if link == nil {
		next = sessionlog.New(sessionlog.StepEnded, sessionlog.Relay, id, sessionlog.Ended{
			State: sessionlog.Offline, Exit: -1, Why: "the endpoint was not connected",
		})
	}
	asked, err := s.rec.Submit(ctx, requested, next)
	if err != nil {
		return nil, err
	}
	st := newStep(s, id, actor, req, asked)
	s.steps[id] = st
	s.touch(func() { s.asked++ })
	if link != nil {
		s.start(st)
	}
	return asked, nil
}

// start gives a step its driver. Runs on the owner.
func (s *session) start(st *step) {
	s.touch(func() { s.running[st.id] = true })
	s.relay.dir.update(s.info.Endpoint, func(e *console.Endpoint) { e.Running++ })
	s.drivers.Go(func() {
		st.drive(s.relay.ctx)
		s.touch(func() {
			delete(s.running, st.id)
			close(s.ended)
			s.ended = make(chan struct{})
		})
		s.relay.dir.update(s.info.Endpoint, func(e *console.Endpoint) { e.Running-- })
	})
}

// takeUp goes on with the steps that an earlier relay left unfinished. It is
// called before the owner starts.
func (s *session) takeUp(state *sessionlog.State) {
	s.asked, s.touched = len(state.Steps), state.Last
	for _, old := range state.Steps {
		asked := sessionlog.NewCommit()
		asked.Resolve(sessionlog.Head{Seq: old.Seq + 1}, nil)
		st := newStep(s, old.ID, old.Actor, old.Request, asked)
		st.sent = true // as far as anyone knows
		s.steps[old.ID] = st
		if old.Ended != nil {
			continue
		}
		if old.Cancel {
			st.stop()
		}
		s.start(st)
	}
}

// cancel records that somebody wants the early end of a step, and passes it on.
func (s *session) cancel(ctx context.Context, actor sessionlog.Actor, id sessionlog.StepID) (sessionlog.Seq, error) {
	var c *sessionlog.Commit
	err := s.call(ctx, func() error {
		st := s.steps[id]
		if st == nil {
			return console.Errorf(console.CodeNotFound, "", "session %s has no step %s", s.info.Session, id)
		}
		if !s.isRunning(id) {
			return console.Errorf(console.CodeUsage, "", "step %s has ended already", id)
		}
		var err error
		c, err = s.rec.Submit(ctx, sessionlog.New(sessionlog.StepCancel, actor, id, nil))
		if err == nil {
			st.stop()
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	head, err := c.Wait(ctx)
	return head.Seq, err
}

// closeWait is how long a closing session waits for its steps to end.
const closeWait = 15 * time.Second

// close ends all steps and seals the record.
func (s *session) close(ctx context.Context, actor sessionlog.Actor, why string) (sessionlog.Seq, error) {
	err := s.call(ctx, func() error {
		if s.closing {
			return errOver
		}
		s.closing = true
		for id, st := range s.steps {
			if s.isRunning(id) {
				st.stop()
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return s.finish(ctx, actor, why)
}

// finish seals a session that is closing, or takes the closing back. That is done
// even if whoever asked for it has gone meanwhile.
func (s *session) finish(ctx context.Context, actor sessionlog.Actor, why string) (sessionlog.Seq, error) {
	err := s.awaitSteps(ctx)
	ctx = context.WithoutCancel(ctx)
	var head sessionlog.Head
	err = s.call(ctx, func() error {
		if err == nil {
			// On a full disk this waits, but not for longer than the relay runs.
			head, err = sessionlog.Append(s.relay.ctx, s.rec, sessionlog.New(sessionlog.SessionClosed, actor, "", sessionlog.Closed{Why: why}))
		}
		if err != nil {
			s.closing = false
			return err
		}
		s.sealed = true
		s.touch(func() { s.closed = time.Now().UTC() })
		s.relay.remove(s)
		return nil
	})
	return head.Seq, err
}

// awaitSteps waits until no step runs. None is begun while the session closes.
func (s *session) awaitSteps(ctx context.Context) error {
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	for {
		s.mu.Lock()
		running, ended := len(s.running), s.ended
		s.mu.Unlock()
		if running == 0 {
			return nil
		}
		select {
		case <-ended:
		case <-timer.C:
			return console.Errorf(console.CodeFailed, "try again when its endpoint is back", "session %s has steps that do not end", s.info.Session)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sealIfIdle seals a session that nobody uses. Runs on the owner.
func (s *session) sealIfIdle() {
	s.mu.Lock()
	idle := len(s.running) == 0 && s.viewers == 0 && time.Since(s.touched) >= s.relay.cfg.IdleSeal
	s.mu.Unlock()
	if !idle || s.closing {
		return
	}
	s.closing = true
	s.relay.work.Go(func() {
		if _, err := s.finish(s.relay.ctx, sessionlog.Relay, "idle"); err != nil && s.relay.ctx.Err() == nil {
			s.relay.cfg.Log.Error("seal idle session", "session", s.info.Session, "err", err)
		}
	})
}

// view counts a viewer, and returns how to take it back.
func (s *session) view(technician string) (leave func()) {
	s.touch(func() { s.viewers++ })
	gone := s.relay.dir.watch(s.info.Endpoint, technician)
	return sync.OnceFunc(func() {
		s.touch(func() { s.viewers-- })
		gone()
	})
}

func (s *session) touch(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = time.Now().UTC()
	change()
}

func (s *session) isRunning(id sessionlog.StepID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[id]
}

// summary returns the session as a list shows it.
func (s *session) summary() console.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return console.Session{
		ID: s.info.Session, Client: s.info.Client, Endpoint: s.info.Endpoint, Name: s.info.Name,
		Technician: s.info.Technician, Opened: s.since, Closed: s.closed, Last: s.touched,
		Events: s.rec.Head().Seq, Steps: s.asked, Running: len(s.running),
	}
}

// summary returns a folded record as a list shows it.
func summary(st *sessionlog.State) console.Session {
	running := 0
	for _, step := range st.Steps {
		if step.Ended == nil {
			running++
		}
	}
	return console.Session{
		ID: st.Opened.Session, Client: st.Opened.Client, Endpoint: st.Opened.Endpoint, Name: st.Opened.Name,
		Technician: st.Opened.Technician, Opened: st.Since, Closed: st.Closed, Last: st.Last,
		Events: st.Head, Steps: len(st.Steps), Running: running,
	}
}
