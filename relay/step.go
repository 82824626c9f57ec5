package relay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync/atomic"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// A step drives one step from its request to its end, over as many links as it
// takes.
type step struct {
	// Static after start, but for since, which counts from the gate's opening.
	session *session
	id      sessionlog.StepID
	actor   sessionlog.Actor
	agent   sessionlog.Actor
	req     sessionlog.Requested
	asked   *sessionlog.Commit // of the request
	wanted  context.Context    // ends by stop: somebody wants the step's early end
	stop    context.CancelFunc
	since   time.Time
	targets int   // how many endpoints it was asked for at once
	gate    *gate // that holds it; nil if none does

	ending atomic.Bool // its end is on its way into the record, or there

	// Owned by drive, after start.
	sent    bool // the agent may have been told to start
	started bool // step.started is recorded
	totals  map[sessionlog.Stream]*total
	kept    int64 // bytes of output on their way into the record
}

// A total is how much of a stream is on its way into the record, and its hash.
type total struct {
	next int64
	sum  hash.Hash // of what is recorded
	gap  bool      // not all of it is recorded
}

func newStep(s *session, id sessionlog.StepID, actor sessionlog.Actor, req sessionlog.Requested, asked *sessionlog.Commit) *step {
	st := &step{
		session: s, id: id, actor: actor, req: req, asked: asked, since: time.Now(),
		agent: sessionlog.Agent(s.info.Client + "/" + s.info.Name),
	}
	st.wanted, st.stop = context.WithCancel(context.Background())
	return st
}

// Retry pauses between two conversations over a link that is there.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// drive returns once the end of the step is recorded, or ctx ends.
func (st *step) drive(ctx context.Context) {
	if _, err := st.asked.Wait(ctx); err != nil {
		return // it was never recorded, so it never runs
	}
	if st.gate != nil && !st.awaitGate(ctx) {
		return
	}
	log := st.session.relay.cfg.Log.With("step", st.id)
	pause := firstRetry
	for ctx.Err() == nil {
		link, err := st.awaitLink(ctx)
		switch {
		case !st.sent && st.wanted.Err() != nil:
			if err = st.giveUp(ctx, sessionlog.Cancelled, "it was never sent to the endpoint"); err == nil {
				return
			}
		case errors.Is(err, errAway):
			if err = st.giveUp(ctx, sessionlog.Offline, "the endpoint went away before it was told"); err == nil {
				return
			}
		case errors.Is(err, errLost):
			if err = st.giveUp(ctx, sessionlog.Lost, "no word from the endpoint in time: the command may or may not have run"); err == nil {
				return
			}
		case errors.Is(err, errRevoked):
			if err = st.giveUp(ctx, sessionlog.Lost, "the endpoint was revoked: the command may or may not have run"); err == nil {
				return
			}
		case err == nil:
			var ended bool
			if ended, err = st.talk(ctx, link); ended {
				return
			}
		}
		log.Debug("step interrupted", "err", err)
		if link != nil && isDone(link.Done()) {
			pause = firstRetry
			continue
		}
		st.wait(ctx, pause)
		pause = min(2*pause, lastRetry)
	}
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func (st *step) wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

var (
	errLost = errors.New("no word from the endpoint")
	errAway = errors.New("the endpoint is away")
)

// giveUp ends the step on the relay's own word.
func (st *step) giveUp(ctx context.Context, state sessionlog.Outcome, why string) error {
	return st.end(ctx, sessionlog.Relay, time.Time{}, sessionlog.Ended{State: state, Exit: -1, Why: why})
}

// awaitLink waits for the endpoint. A step that was never sent waits no longer than
// LostAfter: nobody expects it to run when the endpoint comes back some day. One with
// a time limit waits no longer than LostAfter past it; one that somebody wants to end,
// no longer than LostAfter, or not at all if it was never sent.
func (st *step) awaitLink(ctx context.Context) (Link, error) {
	r := st.session.relay
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	if st.req.Timeout > 0 {
		limit := st.since.Add(time.Duration(st.req.Timeout * float64(time.Second)))
		late := time.AfterFunc(max(0, time.Until(limit))+r.cfg.LostAfter, func() { give(errLost) })
		defer late.Stop()
	}
	sent := st.sent
	if !sent {
		away := time.AfterFunc(max(0, time.Until(st.since.Add(r.cfg.LostAfter))), func() { give(errAway) })
		defer away.Stop()
	}
	defer context.AfterFunc(st.wanted, func() {
		if !sent {
			give(errLost)
			return
		}
		late := time.AfterFunc(r.cfg.LostAfter, func() { give(errLost) })
		context.AfterFunc(ctx, func() { late.Stop() })
	})()
	return r.agents.wait(ctx, st.session.info.Endpoint)
}

// talk holds one conversation. It reports whether the step's end is recorded.
func (st *step) talk(ctx context.Context, link Link) (ended bool, err error) {
	if st.totals == nil {
		if err := st.recount(ctx); err != nil {
			return false, err
		}
	}
	conv, err := link.Open(ctx, st.call())
	if err != nil {
		return false, fmt.Errorf("open stream: %w", err)
	}
	st.sent = true
	defer conv.Close()
	defer context.AfterFunc(ctx, conv.Close)()
	acks := newAcker(ctx, conv, st.wanted.Done())
	err = st.listen(ctx, conv, acks)
	if ackErr := acks.finish(); ackErr != nil && err != nil {
		err = ackErr // the cause: listening ended because of it
	}
	var excess *excessError
	if errors.As(err, &excess) {
		if err = st.exceed(ctx, link, excess); err == nil {
			return true, nil
		}
	}
	if err != nil {
		st.totals = nil // only the record knows where to go on
		return false, err
	}
	_ = conv.Done() // if it is lost, the agent asks again when it comes back
	return true, nil
}

func (st *step) call() Call {
	if !st.sent {
		return Call{
			Step: st.id, Session: st.session.info.Session, Technician: st.actor.Name(),
			Command: st.req.Command, Timeout: time.Duration(st.req.Timeout * float64(time.Second)),
			OutputLimit: st.session.relay.cfg.outputLimit(),
			Effect:      st.req.Effect, Digest: st.session.order(st.id, st.req).Digest(),
		}
	}
	acked := map[sessionlog.Stream]int64{}
	for stream, t := range st.totals {
		acked[stream] = t.next
	}
	return Call{Step: st.id, Resume: true, Acked: acked}
}

// listen records what the agent says. It returns nil once the end of the step is
// on disk, which it never is before all of its output.
func (st *step) listen(ctx context.Context, conv Conversation, acks *acker) error {
	for {
		rep, err := conv.Recv()
		if err != nil {
			return fmt.Errorf("listen to agent: %w", err)
		}
		switch rep := rep.(type) {
		case Started:
			err = st.recordStart(ctx, rep)
		case Output:
			err = st.recordOutput(ctx, rep, acks)
		case Gap:
			err = st.recordGap(ctx, rep, acks)
		case Exit:
			if err := acks.finish(); err != nil {
				return err
			}
			if err := st.verify(rep.Ended); err != nil {
				return err
			}
			return st.end(ctx, st.agent, rep.Time, st.check(rep.Ended))
		case Refused:
			if st.started {
				return fmt.Errorf("agent refused what it was told: %s", rep.Why)
			}
			return st.end(ctx, st.agent, time.Time{}, sessionlog.Ended{State: sessionlog.Refused, Exit: -1, Why: rep.Why})
		case Unknown:
			return st.end(ctx, sessionlog.Relay, time.Time{}, sessionlog.Ended{
				State: sessionlog.Lost, Exit: -1,
				Why: "the agent does not know the step: it may or may not have run",
			})
		}
		if err != nil {
			return err
		}
	}
}

func (st *step) recordStart(ctx context.Context, rep Started) error {
	if st.started {
		return nil
	}
	ev := sessionlog.New(sessionlog.StepStarted, st.agent, st.id, sessionlog.Started{PID: rep.PID})
	ev.AgentTime = rep.Time
	if _, err := st.session.rec.Submit(ctx, ev); err != nil {
		return err
	}
	st.started = true
	return nil
}

// recordOutput trims what is recorded already, refuses a gap, and submits the
// rest; the acker tells the agent once that is on disk.
func (st *step) recordOutput(ctx context.Context, out Output, acks *acker) error {
	t := st.total(out.Stream)
	if out.Offset > t.next {
		return &sessionlog.GapError{Step: st.id, Stream: out.Stream, Want: t.next, Have: out.Offset}
	}
	if repeated := t.next - out.Offset; repeated > 0 {
		out.Data = out.Data[min(repeated, int64(len(out.Data))):]
	}
	if len(out.Data) == 0 {
		return nil
	}
	if err := st.grow(len(out.Data)); err != nil {
		return err
	}
	ev := sessionlog.NewOutput(st.agent, st.id, sessionlog.Chunk{Stream: out.Stream, Offset: t.next, Data: out.Data})
	ev.AgentTime = out.Time
	commit, err := st.session.rec.Submit(ctx, ev)
	if err != nil {
		return err
	}
	t.next += int64(len(out.Data))
	t.sum.Write(out.Data)
	return acks.add(ctx, ack{commit, out.Stream, t.next})
}

// check holds the agent's account of the output against the record.
func (st *step) check(e sessionlog.Ended) sessionlog.Ended {
	if e.State == sessionlog.Lost {
		return e // an agent that died cannot vouch for what it sent
	}
	said := map[string]sessionlog.StreamTotal{}
	for _, t := range e.Streams {
		said[t.Stream] = t
	}
	for stream, t := range st.totals {
		have := sessionlog.StreamTotal{Stream: stream.String(), Bytes: t.next, SHA256: hex.EncodeToString(t.sum.Sum(nil))}
		if t.gap { // only the endpoint's statement speaks for what is not recorded
			have.SHA256 = said[have.Stream].SHA256
		}
		if t.next > 0 && said[have.Stream] != have {
			e.State, e.Why = sessionlog.Lost, fmt.Sprintf("%s in the record is not what the agent sent", stream)
		}
		delete(said, have.Stream)
	}
	for name, t := range said {
		if t.Bytes > 0 {
			e.State, e.Why = sessionlog.Lost, fmt.Sprintf("%s is missing from the record", name)
		}
	}
	return e
}

// end records the end of the step and waits until that is on disk.
func (st *step) end(ctx context.Context, by sessionlog.Actor, agentTime time.Time, e sessionlog.Ended) error {
	ev := sessionlog.New(sessionlog.StepEnded, by, st.id, e)
	ev.AgentTime = agentTime
	st.ending.Store(true)
	_, err := sessionlog.Append(ctx, st.session.rec, ev)
	if err != nil {
		st.ending.Store(false)
	}
	return err
}

func (st *step) total(stream sessionlog.Stream) *total {
	t := st.totals[stream]
	if t == nil {
		t = &total{sum: sha256.New()}
		st.totals[stream] = t
	}
	return t
}

// readEvents is how many events the relay reads of a record at once.
const readEvents = 1024

// recount takes the totals from the record.
func (st *step) recount(ctx context.Context) error {
	st.totals, st.started, st.kept = map[sessionlog.Stream]*total{}, false, 0
	head, err := st.asked.Wait(ctx)
	if err != nil {
		return err
	}
	for from := head.Seq - 1; ; {
		evs, err := st.session.rec.Read(ctx, from, readEvents)
		if err != nil {
			st.totals = nil
			return fmt.Errorf("recount output: %w", err)
		}
		if len(evs) == 0 {
			return nil
		}
		for _, ev := range evs {
			if ev.Step != st.id {
				continue
			}
			switch ev.Kind {
			case sessionlog.StepStarted:
				st.started = true
			case sessionlog.StepOutput:
				t := st.total(ev.Chunk.Stream)
				t.next = ev.Chunk.Offset + int64(len(ev.Chunk.Data))
				t.sum.Write(ev.Chunk.Data)
				st.kept += int64(len(ev.Chunk.Data))
			case sessionlog.StepGap:
				if err := st.recountGap(ev); err != nil {
					st.totals = nil
					return err
				}
			}
		}
		from = evs[len(evs)-1].Seq + 1
	}
}

func (st *step) recountGap(ev sessionlog.Event) error {
	var gap sessionlog.Gap
	if err := ev.Decode(&gap); err != nil {
		return fmt.Errorf("recount output: %w", err)
	}
	stream, err := sessionlog.ParseStream(gap.Stream)
	if err != nil {
		return fmt.Errorf("recount output: %w", err)
	}
	t := st.total(stream)
	t.next, t.gap = gap.Offset+gap.Bytes, true
	st.kept += gapCost
	return nil
}
