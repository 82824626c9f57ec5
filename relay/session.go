package relay

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A session is a live session. It has no goroutine of its own: whoever changes it
// takes its turn, so that an idle one costs next to nothing.
type session struct {
	// Static after newSession.
	relay *Relay
	rec   *record
	info  sessionlog.Opened
	since time.Time
	turn  chan struct{} // a token in it is the right to change the session
	over  chan struct{} // closed when nothing changes any more

	closing bool        // no new steps; owned by whoever has the turn
	evicted atomic.Bool // somebody is about to seal it

	ending  sync.Once
	drivers sync.WaitGroup // one for each running step

	mu       sync.Mutex // guards what follows
	running  map[sessionlog.StepID]*step
	asked    map[sessionlog.StepID]*sessionlog.Commit // of the requests of these, and of others that are not on disk
	past     past                                     // all other steps
	ended    chan struct{}                            // if somebody waits for it: closed when a step ends
	viewers  int
	touched  time.Time // newest change
	closed   time.Time
	incident sessionlog.IncidentID // that the session belongs to; changed with the turn
}

func newSession(r *Relay, rec *record, info sessionlog.Opened, since time.Time) *session {
	return &session{
		relay: r, rec: rec, info: info, since: since,
		turn: make(chan struct{}, 1), over: make(chan struct{}),
		running: map[sessionlog.StepID]*step{}, asked: map[sessionlog.StepID]*sessionlog.Commit{},
		touched: time.Now(),
	}
}

func (s *session) post() post { return post{s.info.Technician, s.info.Endpoint} }

var errOver = console.Errorf(console.CodeUsage, "open a new one", "the session is closed")

// call runs f when it is its turn.
func (s *session) call(ctx context.Context, f func() error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.over:
		return errOver
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if isDone(s.over) {
		return errOver
	}
	return f()
}

// end lets go of the session, once its drivers have ended: it is sealed, or the
// relay stops. It is called without the turn; only the first call counts.
func (s *session) end() {
	s.ending.Do(func() {
		s.turn <- struct{}{}
		close(s.over)
		<-s.turn
		s.drivers.Wait()
		s.rec.release()
	})
}

// run asks for a step. It returns the Seq of the request once that is on disk.
func (s *session) run(ctx context.Context, actor sessionlog.Actor, id sessionlog.StepID, targets int, req sessionlog.Requested) (sessionlog.Seq, error) {
	var seq sessionlog.Seq
	var asked *sessionlog.Commit
	err := s.call(ctx, func() (err error) {
		if seq, asked = s.find(id); seq > 0 || asked != nil {
			return nil
		}
		if s.closing {
			return errOver
		}
		if why := s.relay.mayNotGoOn(s); why != "" {
			return console.Errorf(console.CodeRefused, "open a new one", "the session is over: %s", why)
		}
		asked, err = s.begin(ctx, actor, id, req, targets)
		return err
	})
	if err != nil || seq > 0 {
		return seq, err
	}
	head, err := asked.Wait(ctx)
	if err != nil {
		return 0, err
	}
	return head.Seq - 1, nil // the request is the first of two events
}

// find returns where a step was asked for, or the promise of it; neither if it was
// not.
func (s *session) find(id sessionlog.StepID) (sessionlog.Seq, *sessionlog.Commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked := s.asked[id]; asked != nil {
		return 0, asked
	}
	return s.past.find(id), nil
}

// begin records the request and what becomes of it. Where the endpoint is connected
// and the policy does not refuse, it starts a driver. It is called with the turn.
func (s *session) begin(ctx context.Context, actor sessionlog.Actor, id sessionlog.StepID, req sessionlog.Requested, targets int) (*sessionlog.Commit, error) {
	f := s.decide(id, req, targets)
	goes, g := f.goes, f.gate
	asked, err := s.rec.Submit(ctx, append([]sessionlog.Event{sessionlog.New(sessionlog.StepRequested, actor, id, req)}, f.events...)...)
	if err != nil {
		return nil, err
	}
	if len(f.events) > 1 {
		asked = s.requestOf(asked, len(f.events), f.repeat)
	}
	s.touch(func() { s.asked[id] = asked })
	if !goes {
		s.drivers.Go(func() { s.settle(id, asked) })
		return asked, nil
	}
	st := newStep(s, id, actor, req, asked)
	st.targets, st.gate = targets, g
	s.start(st)
	return asked, nil
}

// start gives a step its driver. It is called with the turn.
func (s *session) start(st *step) {
	s.touch(func() { s.running[st.id] = st })
	s.relay.dir.update(s.info.Endpoint, func(e *console.Endpoint) { e.Running++ })
	s.drivers.Go(func() {
		st.drive(s.relay.ctx)
		s.settle(st.id, st.asked)
		s.relay.dir.update(s.info.Endpoint, func(e *console.Endpoint) { e.Running-- })
	})
}

// settle keeps of a step that has ended where it was asked for. One that could not
// be recorded may be asked for again.
func (s *session) settle(id sessionlog.StepID, asked *sessionlog.Commit) {
	head, err := asked.Wait(s.relay.ctx)
	s.touch(func() {
		delete(s.asked, id)
		delete(s.running, id)
		if err == nil {
			s.past.add(id, head.Seq-1)
		}
		if s.ended != nil {
			close(s.ended)
			s.ended = nil
		}
	})
}

// takeUp goes on with the steps that an earlier relay left unfinished. It is
// called before anyone else has the session.
func (s *session) takeUp(state *sessionlog.State) {
	s.touched, s.incident = state.Last, state.Incident.Incident
	for _, old := range state.Steps {
		if old.Ended != nil {
			s.past.add(old.ID, old.Seq)
		}
	}
	for _, old := range state.Steps {
		if old.Ended != nil {
			continue
		}
		asked := sessionlog.NewCommit()
		asked.Resolve(sessionlog.Head{Seq: old.Seq + 1}, nil)
		st := newStep(s, old.ID, old.Actor, old.Request, asked)
		if old.Held != nil && !old.Dispatched {
			st.gate, st.targets = restore(old.Held, state.IncidentOf(old)), old.Held.Targets
		} else {
			st.sent = true // as far as anyone knows
		}
		s.touch(func() { s.asked[old.ID] = asked })
		if old.Cancel {
			st.stop()
		}
		s.start(st)
	}
	if !state.Running() {
		s.rec.park(time.Now()) // most sessions that are taken up are idle
	}
}

// cancel records that somebody wants the early end of a step, and passes it on.
func (s *session) cancel(ctx context.Context, actor sessionlog.Actor, id sessionlog.StepID) (sessionlog.Seq, error) {
	var c *sessionlog.Commit
	err := s.call(ctx, func() error {
		st := s.step(id)
		if seq, asked := s.find(id); st == nil && seq == 0 && asked == nil {
			return console.Errorf(console.CodeNotFound, "", "session %s has no step %s", s.info.Session, id)
		}
		if st == nil || st.ending.Load() || st.gate != nil && isDone(st.gate.done) && !st.gate.open {
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
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, st := range s.running {
			st.stop()
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
		now := time.Now().UTC().Round(0) // as the record has it
		if err == nil {
			ev := sessionlog.New(sessionlog.SessionClosed, actor, "", sessionlog.Closed{Why: why})
			ev.Time = now
			// On a full disk this waits, but not for longer than the relay runs.
			head, err = sessionlog.Append(s.relay.ctx, s.rec, ev)
		}
		if err != nil {
			s.closing = false
			return err
		}
		s.touch(func() { s.closed = now })
		s.relay.remove(s)
		return nil
	})
	if err == nil {
		s.end()
	}
	return head.Seq, err
}

// awaitSteps waits until no step runs. None is begun while the session closes.
func (s *session) awaitSteps(ctx context.Context) error {
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	for {
		s.mu.Lock()
		running := len(s.running)
		if s.ended == nil {
			s.ended = make(chan struct{})
		}
		ended := s.ended
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

// sealIfIdle seals a session that nobody uses. What is busy with its turn is not
// idle.
func (s *session) sealIfIdle() {
	if !s.isIdle() {
		return
	}
	select {
	case s.turn <- struct{}{}:
	default:
		return
	}
	begun := s.isIdle() && !s.closing && !isDone(s.over)
	s.closing = s.closing || begun
	<-s.turn
	if !begun {
		return
	}
	s.relay.work.Go(func() {
		if _, err := s.finish(s.relay.ctx, sessionlog.Relay, "idle"); err != nil && s.relay.ctx.Err() == nil {
			s.relay.cfg.Log.Error("seal idle session", "session", s.info.Session, "err", err)
		}
	})
}

func (s *session) isIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked) == 0 && s.viewers == 0 && time.Since(s.touched) >= s.relay.cfg.IdleSeal
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

func (s *session) isRunning(id sessionlog.StepID) bool { return s.step(id) != nil }

// step returns a step that has not ended.
func (s *session) step(id sessionlog.StepID) *step {
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
		Events: s.rec.Head().Seq, Steps: len(s.asked) + s.past.len(), Running: len(s.running), Incident: s.incident,
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
		Events: st.Head, Steps: len(st.Steps), Running: running, Incident: st.Incident.Incident,
	}
}
