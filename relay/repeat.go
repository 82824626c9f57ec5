package relay

import (
	"context"
	"sync"
	"time"

	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/sessionlog"
)

// repeatWait is how long an answer waits for the fleet's log to repeat it, and a relay
// that stops for what is not repeated yet: the fleet's disk may be full.
const repeatWait = 2 * time.Second

// A repeater repeats in the fleet's log what sessions' records say of approvals, in
// order, and without anybody who has to wait for that disk.
type repeater struct {
	mu   sync.Mutex // guards what follows
	todo []repeat
	over bool          // nobody takes any more
	more chan struct{} // has a token in it if there may be something to do
}

type repeat struct {
	by   sessionlog.Actor
	body fleet.Answered
	done chan struct{} // closed once it is repeated, or given up
}

func newRepeater() *repeater { return &repeater{more: make(chan struct{}, 1)} }

// add takes something to repeat, unless it is too late.
func (q *repeater) add(rep repeat) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return false
	}
	q.todo = append(q.todo, rep)
	select {
	case q.more <- struct{}{}:
	default:
	}
	return true
}

// take returns what there is to do; with last nothing is added any more.
func (q *repeater) take(last bool) []repeat {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.todo
	q.todo, q.over = nil, last
	return all
}

// repeat has the fleet's log repeat what a session's record says of an approval. What
// it returns is closed when that is done, or given up.
func (r *Relay) repeat(by sessionlog.Actor, body fleet.Answered) <-chan struct{} {
	rep := repeat{by, body, make(chan struct{})}
	if !r.repeats.add(rep) {
		r.notRepeated(rep, errStopping)
	}
	return rep.done
}

// repeatAll repeats what is added until the relay stops, and then what is left.
func (r *Relay) repeatAll() {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.ctx))
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() {
		late := time.AfterFunc(repeatWait, func() { cancel(errStopping) })
		context.AfterFunc(ctx, func() { late.Stop() })
	})()
	for last := false; !last; {
		select {
		case <-r.repeats.more:
		case <-r.ctx.Done():
			last = true
		}
		for _, rep := range r.repeats.take(last) {
			if err := r.fleet.Answer(ctx, rep.by, rep.body); err != nil {
				r.notRepeated(rep, err)
				continue
			}
			close(rep.done)
		}
	}
}

// notRepeated says that the fleet's log does not have it. The session's record does, so
// it holds.
func (r *Relay) notRepeated(rep repeat, err error) {
	r.cfg.Log.Error("answer not repeated in the fleet's log", "session", rep.body.Session, "step", rep.body.Step, "answer", rep.body.Answer, "err", err)
	close(rep.done)
}

// awaitRepeat waits until something is repeated, but not for long.
func awaitRepeat(ctx context.Context, done <-chan struct{}) {
	late := time.NewTimer(repeatWait)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	case <-ctx.Done():
	}
}
