package sqlitefile

import "github.com/caisey/caisey/sessionlog"

// What one batch takes at most.
const (
	maxBatchEvents = 4096
	maxBatchBytes  = 4 << 20
)

// A unit is what one Submit asked for.
type unit struct {
	evs    []sessionlog.Event
	weight int64 // what it holds of File.weight
	commit *sessionlog.Commit
}

// weigh says how much room evs take in a queue of at most limit.
func weigh(evs []sessionlog.Event, limit int64) int64 {
	var n int64
	for _, ev := range evs {
		n += 512 + int64(len(ev.Body))
		if ev.Chunk != nil {
			n += int64(len(ev.Chunk.Data))
		}
	}
	return min(n, limit)
}

// dequeue waits for units and returns as many as one batch takes; more = false
// once the file is closing and the queue is empty. The array of the units is also
// that of the queue: the caller clears them.
func (f *File) dequeue() (units []unit, more bool) {
	for {
		f.mu.Lock()
		n, closing := f.batch(), f.closing
		units := f.queue[:n:n]
		f.queue = f.queue[n:]
		f.mu.Unlock()
		if n > 0 || closing {
			return units, n > 0
		}
		<-f.wake
	}
}

// batch says how many queued units the next batch takes. f.mu is held.
func (f *File) batch() int {
	var events int
	var bytes int64
	for i, u := range f.queue {
		events += len(u.evs)
		bytes += u.weight
		if i > 0 && (events > maxBatchEvents || bytes > maxBatchBytes) {
			return i
		}
	}
	return len(f.queue)
}
