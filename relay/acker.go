package relay

import (
	"context"
	"sync"

	"github.com/caisey/caisey/sessionlog"
)

// An acker tells the agent what is on disk, as it gets there. It is the one
// goroutine that writes to a conversation while the step runs.
type acker struct {
	queue chan ack
	done  chan struct{} // closed when the goroutine has ended
	shut  func()
	conv  Conversation

	// Owned by the goroutine; may be read after done.
	newest map[sessionlog.Stream]int64 // on disk and not yet told
	err    error
}

// An ack is due once commit is on disk.
type ack struct {
	commit *sessionlog.Commit
	stream sessionlog.Stream
	offset int64
}

// ackQueue bounds what is on its way to the disk: 256 chunks of at most 32 KiB.
const ackQueue = 256

func newAcker(ctx context.Context, conv Conversation, cancel <-chan struct{}) *acker {
	a := &acker{
		queue: make(chan ack, ackQueue), done: make(chan struct{}), conv: conv,
		newest: map[sessionlog.Stream]int64{},
	}
	a.shut = sync.OnceFunc(func() { close(a.queue) })
	go func() {
		defer close(a.done)
		if a.err = a.run(ctx, cancel); a.err != nil {
			conv.Close() // wakes whoever listens
		}
	}()
	return a
}

// add queues an ack.
func (a *acker) add(ctx context.Context, k ack) error {
	select {
	case a.queue <- k:
		return nil
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// finish waits until all that was added is on disk, and returns why it is not.
func (a *acker) finish() error {
	a.shut()
	<-a.done
	return a.err
}

func (a *acker) run(ctx context.Context, cancel <-chan struct{}) error {
	var first *ack // the oldest that is not on disk
	for {
		queue, onDisk := a.queue, (<-chan struct{})(nil)
		if first != nil {
			queue, onDisk = nil, first.commit.Done()
		}
		if len(queue) == 0 && !isDone(onDisk) {
			if err := a.flush(); err != nil { // about to wait: tell what there is
				return err
			}
		}
		select {
		case k, ok := <-queue:
			if !ok {
				return a.flush()
			}
			first = &k
		case <-onDisk:
			if _, err := first.commit.Wait(ctx); err != nil {
				return err
			}
			a.newest[first.stream], first = first.offset, nil
		case <-cancel:
			cancel = nil
			if err := a.conv.Cancel(); err != nil {
				return err
			}
		}
	}
}

func (a *acker) flush() error {
	for stream, offset := range a.newest {
		if err := a.conv.Ack(stream, offset); err != nil {
			return err
		}
		delete(a.newest, stream)
	}
	return nil
}
