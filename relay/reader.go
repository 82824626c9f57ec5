package relay

import (
	"context"
	"sync"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// errNoLonger is why a look into a record ends that the person may not see any more.
var errNoLonger = console.Errorf(console.CodeRefused, "ask an admin", "you may no longer see this session")

// A reader is one person's look into a record. It ends when it is closed, or when
// the person may not see the record any more.
type reader struct {
	record  sessionlog.Reader
	ctx     context.Context // ends with the look
	cut     context.CancelCauseFunc
	may     func() bool
	release func()
}

func (r *Relay) newReader(record sessionlog.Reader, may func() bool, release func()) *reader {
	look := &reader{record: record, may: may}
	look.ctx, look.cut = context.WithCancelCause(context.Background())
	look.release = sync.OnceFunc(func() {
		r.mu.Lock()
		delete(r.looks, look)
		r.mu.Unlock()
		release()
	})
	r.mu.Lock()
	r.looks[look] = struct{}{}
	r.mu.Unlock()
	if !may() { // it was taken away before anybody could cut it
		look.cut(errNoLonger)
	}
	return look
}

// cutLooks ends the looks of those who may look no longer.
func (r *Relay) cutLooks() {
	r.mu.Lock()
	looks := make([]*reader, 0, len(r.looks))
	for look := range r.looks {
		looks = append(looks, look)
	}
	r.mu.Unlock()
	for _, look := range looks {
		if !look.may() {
			look.cut(errNoLonger)
		}
	}
}

// Head implements sessionlog.Reader.
func (r *reader) Head() sessionlog.Head { return r.record.Head() }

// Read implements sessionlog.Reader.
func (r *reader) Read(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	return look(ctx, r, func(ctx context.Context) ([]sessionlog.Event, error) { return r.record.Read(ctx, from, limit) })
}

// Outline implements sessionlog.Reader.
func (r *reader) Outline(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error) {
	return look(ctx, r, func(ctx context.Context) ([]sessionlog.Event, error) { return r.record.Outline(ctx, from, limit) })
}

// Wait implements sessionlog.Reader.
func (r *reader) Wait(ctx context.Context, after sessionlog.Seq) (sessionlog.Head, error) {
	return look(ctx, r, func(ctx context.Context) (sessionlog.Head, error) { return r.record.Wait(ctx, after) })
}

// look calls do with a context that ends with the look.
func look[T any](ctx context.Context, r *reader, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })()
	out, err := do(ctx)
	if r.ctx.Err() != nil { // what came back is no longer theirs
		var none T
		return none, context.Cause(r.ctx)
	}
	return out, err
}

// Close implements console.Reader.
func (r *reader) Close() error {
	r.cut(console.ErrClosed)
	r.release()
	return nil
}
