package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/caisey/caisey/sessionlog"
)

var errClosed = errors.New("closed by its reader")

// feedEvents is the most events that one Next returns.
const feedEvents = 1024

// A feed is one viewer's place in a record.
type feed struct {
	reader sessionlog.Reader
	ctx    context.Context // ends when the feed is closed
	close  func()

	// Owned by the goroutine that calls Next.
	next sessionlog.Seq
}

// newFeed returns a feed from seq on; release is called once, when it is closed.
func newFeed(reader sessionlog.Reader, from sessionlog.Seq, release func()) *feed {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &feed{
		reader: reader, ctx: ctx, next: max(from, 1),
		close: sync.OnceFunc(func() { cancel(errClosed); release() }),
	}
}

// Next implements console.Feed.
func (f *feed) Next(ctx context.Context) ([]sessionlog.Event, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.ctx, func() { cancel(errClosed) })()
	for {
		evs, err := f.reader.Read(ctx, f.next, feedEvents)
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		if len(evs) > 0 {
			f.next = evs[len(evs)-1].Seq + 1
			return evs, nil
		}
		head, err := f.reader.Wait(ctx, f.next-1)
		if err != nil {
			return nil, fmt.Errorf("follow record: %w", err)
		}
		if head.Seq < f.next {
			return nil, io.EOF // sealed, and all of it is read
		}
	}
}

// Close implements console.Feed.
func (f *feed) Close() error {
	f.close()
	return nil
}
