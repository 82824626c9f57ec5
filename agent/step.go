package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	runner "github.com/caisey/caisey/agent/proc"
	"github.com/caisey/caisey/agent/spool"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog/statement"
)

// whyStopped is what became of a step that ran when the agent was stopped.
const whyStopped = "agent was stopped"

// endRetry is the time between attempts to write an end for which the disk had
// no room.
const endRetry = 5 * time.Second

// A step is one command or check, from its start until its end is recorded at the relay.
type step struct {
	// Static.
	id    string
	ready chan struct{} // closed when the step runs, or could not be started

	// Static once ready is closed.
	spool     *spool.Spool
	process   process // nil if it does not run under this agent
	pid       int     // 0 if there was no process
	startedAt int64
	refused   *wire.Refused // why it was not started
	command   string
	output    *output // nil if it did not run under this agent

	mu     sync.Mutex              // guards what follows
	detach context.CancelCauseFunc // ends the stream that serves the step now
}

func newStep(id string) *step { return &step{id: id, ready: make(chan struct{})} }

// run starts the process of a new step, if the endpoint's own policy lets it. The id
// is on disk before that.
func (s *steps) run(st *step, m *wire.Start) *wire.Refused {
	err := s.policy.Check(m.GetEffect(), m.GetCommand())
	if err != nil {
		s.log.Warn("command refused", "step", st.id, "technician", m.GetTechnician(), "effect", m.GetEffect(), "why", err)
		return refuse(wire.Refused_CODE_DENIED, "%v", err)
	}
	question, refused := s.question(m)
	if refused != nil {
		return refused
	}
	if st.spool, err = spool.Create(s.path(st.id), s.cfg.Spool); err != nil {
		s.log.Error("command not started", "step", st.id, "err", err)
		return refuse(wire.Refused_CODE_BUSY, "%v", err)
	}
	if fresh, err := s.journal.Add(st.id); err != nil || !fresh {
		_ = st.spool.Remove()
		if err != nil {
			s.log.Error("command not started", "step", st.id, "err", err)
			return refuse(wire.Refused_CODE_BUSY, "%v", err)
		}
		return refuse(wire.Refused_CODE_DENIED, "already ran")
	}
	st.command, st.output = m.GetCommand(), newOutput(st.spool, m.GetOutputLimit())
	st.startedAt = time.Now().UnixNano()
	put := func(stream int, data []byte) error { return st.output.put(s.ctx, stream, data) }
	if question != nil {
		st.process = question.ask(s.ctx, time.Duration(m.GetTimeout()), put)
	} else {
		st.process, err = s.start(runner.Command{
			Line: m.GetCommand(), Step: st.id, Session: m.GetSession(), Technician: m.GetTechnician(),
			Timeout: time.Duration(m.GetTimeout()),
		}, put)
	}
	if err != nil { // the id is spent: this is the step's end
		s.work.Go(func() {
			s.finish(st, &wire.Exit{State: wire.Exit_STATE_FAILED, Code: -1, Why: err.Error()})
		})
		return nil
	}
	st.pid = st.process.Ident().Pid
	s.work.Go(func() { s.wait(st) })
	return nil
}

// wait waits for the end of a step's process and keeps it.
func (s *steps) wait(st *step) {
	note := processFile{Ident: st.process.Ident(), AgentTime: st.startedAt}
	if err := note.write(s.path(st.id)); err != nil {
		s.log.Error("process not noted: a later agent would not find it", "step", st.id, "err", err)
	}
	s.finish(st, exitOf(st.process.Wait()))
}

func exitOf(r runner.Result) *wire.Exit {
	exit := &wire.Exit{Code: int32(r.Code), Signal: r.Signal, Why: r.Why, Duration: int64(r.Duration)}
	switch r.State {
	case runner.OK:
		exit.State = wire.Exit_STATE_OK
	case runner.TimedOut:
		exit.State = wire.Exit_STATE_TIMED_OUT
	case runner.Cancelled:
		exit.State = wire.Exit_STATE_CANCELLED
		if r.Why == whyStopped {
			exit.State = wire.Exit_STATE_LOST
		}
	default:
		exit.State = wire.Exit_STATE_FAILED
	}
	return exit
}

// finish keeps the end of a step. If there is no room for it on the disk, it
// tries again until there is or the agent is stopped.
func (s *steps) finish(st *step, exit *wire.Exit) {
	for {
		err := st.complete(context.WithoutCancel(s.ctx), exit, s.key)
		if err == nil {
			break
		}
		s.log.Error("end of command not kept", "step", st.id, "err", err)
		retry := time.NewTimer(endRetry)
		select {
		case <-retry.C:
			continue
		case <-s.ctx.Done():
			retry.Stop()
		}
		break
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

// complete writes the rest of a step's output and its end, signed, into its spool.
func (st *step) complete(ctx context.Context, exit *wire.Exit, key ed25519.PrivateKey) error {
	if err := st.output.finish(ctx); err != nil {
		return err
	}
	exit.Statement = st.state(exit, key)
	return st.end(ctx, exit)
}

// state signs what this agent says of a step that it ran.
func (st *step) state(exit *wire.Exit, key ed25519.PrivateKey) []byte {
	s := statement.Statement{
		Step: st.id, Command: st.command, Exit: int(exit.GetCode()), Signal: exit.GetSignal(),
		Stdout: statement.None, Stderr: statement.None,
	}
	for _, t := range st.spool.Totals() {
		out := &s.Stdout
		switch wire.Stream(t.Stream) {
		case wire.Stream_STREAM_STDERR:
			out = &s.Stderr
		case wire.Stream_STREAM_ROWS:
			out = &s.Rows
		}
		*out = statement.Output{Bytes: t.Bytes, SHA256: [sha256.Size]byte(t.SHA256)}
	}
	return ed25519.Sign(key, s.Text())
}

// end writes the end of a step into its spool.
func (st *step) end(ctx context.Context, exit *wire.Exit) error {
	exit.Totals = nil
	for _, t := range st.spool.Totals() {
		exit.Totals = append(exit.Totals, &wire.Total{Stream: wire.Stream(t.Stream), Bytes: t.Bytes, Sha256: t.SHA256})
	}
	exit.AgentTime = time.Now().UnixNano()
	b, err := proto.Marshal(exit)
	if err != nil {
		return fmt.Errorf("encode end: %w", err)
	}
	return st.spool.End(ctx, b)
}

// stop ends the process, if there is one.
func (st *step) stop(why string) {
	if st.process != nil {
		st.process.Stop(why)
	}
}

// attach makes detach the way to end the stream that serves the step, and ends
// the one before.
func (st *step) attach(detach context.CancelCauseFunc) {
	st.mu.Lock()
	before := st.detach
	st.detach = detach
	st.mu.Unlock()
	if before != nil {
		before(errReplaced)
	}
}
