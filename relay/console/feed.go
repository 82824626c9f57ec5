package console

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/caisey/caisey/sessionlog"
)

// ErrClosed says that a Feed or a Roster was closed by whoever reads it.
var ErrClosed = errors.New("closed by its reader")

// feedEvents is the most events that one Next returns.
const feedEvents = 1024

// A feed is a place in a record.
type feed struct {
	reader Reader
	ctx    context.Context // ends when the feed is closed
	cancel context.CancelCauseFunc

	// Owned by the goroutine that calls Next.
	next sessionlog.Seq
}

// Follow returns a Feed of the events of r, beginning with from. The Feed closes r
// when it is closed.
func Follow(r Reader, from sessionlog.Seq) Feed {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &feed{reader: r, ctx: ctx, cancel: cancel, next: max(from, 1)}
}

// Next implements Feed.
func (f *feed) Next(ctx context.Context) ([]sessionlog.Event, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.ctx, func() { cancel(ErrClosed) })()
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

// Close implements Feed.
func (f *feed) Close() error {
	f.cancel(ErrClosed)
	return f.reader.Close()
}
