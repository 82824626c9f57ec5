package verify

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/caisey/caisey/sessionlog"
)

// An item is a row, looked at by itself.
type item struct {
	row  sessionlog.Row
	hash sessionlog.Hash
	ev   sessionlog.Event
	err  error // why the row is no event
}

// batch is how many rows are asked for at once.
const batch = 1024

// A lot is rows that were read together.
type lot struct {
	rows  []sessionlog.Row
	items []item
	done  chan struct{} // closed once there are items
}

// examiners is how many lots are looked at at the same time, and lots how many
// wait.
const (
	examiners = 2
	lots      = 4
)

// run reads rows, looks at each, and checks them in their order: three stages. The
// second takes most of the time and looks at a row by itself, so that two lots are
// looked at at once.
func (c *checker) run(ctx context.Context) error {
	rctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work, order := make(chan *lot, lots), make(chan *lot, lots)
	var readErr error
	var stages sync.WaitGroup
	stages.Go(func() {
		defer close(work)
		defer close(order)
		readErr = c.readRows(rctx, work, order)
	})
	for range examiners {
		stages.Go(func() {
			for l := range work {
				l.items = examine(l.rows)
				close(l.done)
			}
		})
	}
	err := c.takeAll(ctx, order)
	stop(err)
	for range order { // what is left of it nobody wants
	}
	stages.Wait()
	if err = cmp.Or(err, readErr); err != nil {
		return err
	}
	return c.finish(ctx)
}

func (c *checker) readRows(ctx context.Context, work, order chan<- *lot) error {
	for from := sessionlog.Seq(1); ; {
		rows, err := c.src.Rows(ctx, from, batch)
		if err != nil || len(rows) == 0 {
			return err
		}
		l := &lot{rows: rows, done: make(chan struct{})}
		for _, to := range []chan<- *lot{work, order} {
			select {
			case to <- l:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		from = rows[len(rows)-1].Seq + 1
	}
}

// takeAll checks all that comes, also where reading ends with an error: then the
// report covers what was read.
func (c *checker) takeAll(ctx context.Context, order <-chan *lot) error {
	for l := range order {
		<-l.done
		for i := range l.items {
			if err := c.take(ctx, &l.items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func examine(rows []sessionlog.Row) []item {
	items, chunks := make([]item, len(rows)), make([]sessionlog.Chunk, len(rows))
	var p prover
	for i, row := range rows {
		it := &items[i]
		it.row, it.hash = row, sessionlog.LeafHash(row.Leaf)
		if p.prove(row, &it.ev, &chunks[i]) {
			continue
		}
		if it.ev, it.err = event(row); it.err == nil {
			p.learn(row, it.ev)
		}
	}
	return items
}

// event returns the event of a row, with output that is what its leaf commits to.
func event(row sessionlog.Row) (sessionlog.Event, error) {
	ev, err := sessionlog.ParseLeaf(row.Leaf)
	switch {
	case err != nil:
		return ev, err
	case ev.Seq != row.Seq:
		return ev, errors.New("it has another number in its leaf")
	case ev.Chunk == nil && (row.Data != nil || row.Salt != nil):
		return ev, errors.New("it has output, and is none")
	case ev.Chunk == nil:
		return ev, nil
	case len(row.Salt) != sessionlog.SaltSize || row.Data == nil:
		return ev, errors.New("its output is missing")
	}
	ev.Chunk.Salt, ev.Chunk.Data = row.Salt, row.Data
	if sessionlog.VerifyChunk(ev) != nil {
		return ev, errors.New("its output is not what was recorded")
	}
	return ev, nil
}
