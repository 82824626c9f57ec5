package sessionlog

import (
	"context"
	"errors"
	"fmt"
)

// Errors of a Log.
var (
	// ErrSealed says that the log takes no more events.
	ErrSealed = errors.New("session is sealed")
	// ErrClosed says that the Log was closed by Close.
	ErrClosed = errors.New("log is closed")
)

// A GapError says that a chunk does not begin where its stream's last one ended.
type GapError struct {
	Step       StepID
	Stream     Stream
	Want, Have int64
}

// Error names the step, the stream and both offsets.
func (e *GapError) Error() string {
	return fmt.Sprintf("output of step %s %s begins at %d, not at %d", e.Step, e.Stream, e.Have, e.Want)
}

// Head says how far a log has come.
type Head struct {
	// Seq is that of the newest durable event; 0 if there is none.
	Seq Seq
	// Sealed says that no event will follow.
	Sealed bool
}

// An Appender adds events to a log.
type Appender interface {
	// Submit queues evs to be committed as one unit, in the order of the calls,
	// and returns a Commit that resolves once they are on disk. It blocks while
	// the queue is full. It takes ownership of evs and their data.
	//
	// A unit with a chunk that does not start where its stream ended resolves
	// with a *GapError and leaves no trace; so does any other refused unit.
	// A unit that holds a SessionClosed event seals the log.
	Submit(ctx context.Context, evs ...Event) (*Commit, error)
}

// A Reader reads what is durable, and nothing else.
type Reader interface {
	// Head returns the newest durable position.
	Head() Head
	// Read returns the events from seq on, in order: at most limit, and fewer
	// where their output passes 1 MiB, but at least one if there is one.
	// At or past the head it returns none and no error.
	Read(ctx context.Context, from Seq, limit int) ([]Event, error)
	// Outline is Read without the step.output events: what happened, without
	// what was printed. It costs the same however much output there is.
	Outline(ctx context.Context, from Seq, limit int) ([]Event, error)
	// Wait returns as soon as an event after seq is durable or the log is
	// sealed; it returns ErrClosed if the Log is closed first.
	Wait(ctx context.Context, after Seq) (Head, error)
}

// A Log is the record of one session. Its methods may be called concurrently.
type Log interface {
	Appender
	Reader
	// Close waits for what was submitted, and releases the log.
	Close() error
}

// Append submits evs and waits until they are durable.
func Append(ctx context.Context, a Appender, evs ...Event) (Head, error) {
	c, err := a.Submit(ctx, evs...)
	if err != nil {
		return Head{}, err
	}
	return c.Wait(ctx)
}

// replayBatch is how many events Replay asks for at once.
const replayBatch = 1024

// Replay calls f with every event of r, from the first to the head that r had
// when Replay began. It ends at f's first error and returns it.
func Replay(ctx context.Context, r Reader, f func(Event) error) error {
	head := r.Head().Seq
	for from := Seq(1); from <= head; {
		evs, err := r.Read(ctx, from, int(min(replayBatch, head-from+1)))
		if err != nil {
			return err
		}
		if len(evs) == 0 {
			return fmt.Errorf("replay: no event at %d, but the head is %d", from, head)
		}
		for _, ev := range evs {
			if err := f(ev); err != nil {
				return err
			}
		}
		from = evs[len(evs)-1].Seq + 1
	}
	return nil
}

// A Commit is the promise that a unit of events will be durable. A Log makes it
// with NewCommit and resolves it exactly once.
type Commit struct {
	done chan struct{}
	head Head
	err  error
}

// NewCommit returns a Commit that is not yet resolved.
func NewCommit() *Commit { return &Commit{done: make(chan struct{})} }

// Resolve tells all waiters. head is that of the log just after the unit, so
// head.Seq is the Seq of the unit's last event.
func (c *Commit) Resolve(head Head, err error) {
	c.head, c.err = head, err
	close(c.done)
}

// Done is closed once the Commit is resolved.
func (c *Commit) Done() <-chan struct{} { return c.done }

// Wait returns the position that includes the unit, once that is durable. If
// ctx ends first, the unit may still become durable.
func (c *Commit) Wait(ctx context.Context) (Head, error) {
	select {
	case <-c.done:
		return c.head, c.err
	case <-ctx.Done():
		return Head{}, context.Cause(ctx)
	}
}
