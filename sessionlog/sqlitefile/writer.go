package sqlitefile

import (
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile/journal"
)

// directBytes is from how many bytes on a batch goes into the record's file at
// once: then one more copy of it costs more than a flush that is shared.
const directBytes = 192 << 10

// A writer is what a File's writer goroutine owns.
type writer struct {
	encoder encoder
	frame   journal.Frame
	spare   *batch
	past    bool // the journal did not take the newest batch
	// failed says that the newest commit in the file failed: what it wrote may stand
	// in the WAL, whole, and come back. The next batch goes to the same place.
	failed bool

	// flight is the batch that is being committed, beside the writer; nil if there
	// is none. landed gets its error.
	flight *batch
	landed chan error
}

// write is the writer goroutine. What came before is the window in which the next
// batch gathers; there is no timer.
func (f *File) write() {
	defer close(f.stopped)
	for {
		units, more := f.dequeue()
		if !more {
			_ = f.collect() // its units were told
			return
		}
		f.record(units)
		clear(units) // the queue goes on in the same array
	}
}

// record encodes units while the batch before is being committed, and sees to it
// that they are recorded.
func (f *File) record(units []unit) {
	b := f.w.newBatch()
	f.w.encoder.encode(b, units)
	if err := f.collect(); err != nil { // then they follow what was before that
		f.w.encoder.encode(b, units)
	}
	for _, r := range b.refused {
		f.resolve(r.unit, f.Head(), r.err)
	}
	if len(b.units) > 0 {
		f.dispatch(b)
	}
	if f.w.encoder.ledger.full() {
		f.forget()
	}
}

func (w *writer) newBatch() *batch {
	b := w.spare
	w.spare = nil
	if b == nil {
		b = &batch{}
	}
	return b
}

// dispatch records b: the journal takes it, or the file at once.
func (f *File) dispatch(b *batch) {
	if !b.sealed && !f.w.failed && b.size() < directBytes && f.room(b) {
		err := f.append(b)
		if err == nil {
			f.w.encoder.ledger.commit(b.end)
			f.publish(b, false)
			f.w.past = false
			return
		}
		if !f.w.past { // said once
			f.cfg.Logf("record %s goes past the journal: %v", f.path, err)
		}
		f.w.past = true
	}
	f.w.flight = b
	go f.commit(b)
}

// append appends b to the journal.
func (f *File) append(b *batch) error {
	b.frame(&f.w.frame, f.name)
	return f.host.journal.Append(&f.w.frame)
}

// collect waits for the batch that is being committed. If that failed, the ledger
// is where it was before.
func (f *File) collect() error {
	b := f.w.flight
	if b == nil {
		return nil
	}
	f.w.flight = nil
	err := <-f.w.landed
	f.w.failed = err != nil
	if err != nil {
		f.w.encoder.ledger.rollback(b.start)
		return err
	}
	f.w.encoder.ledger.commit(b.end)
	f.w.spare = b
	return nil
}

// forget frees the memory of the ledger, once the file knows what it knows.
func (f *File) forget() {
	if f.collect() == nil && f.flush() == nil {
		clear(f.w.encoder.ledger.next)
	}
}

// publish shows what was recorded, and tells those who wait for it.
func (f *File) publish(b *batch, filed bool) {
	head := sessionlog.Head{Seq: b.last, Sealed: b.sealed}
	f.mu.Lock()
	f.head = head
	f.keep(b, filed)
	hurry := f.pendingBytes > hurryPending
	f.signal()
	f.mu.Unlock()
	if !filed {
		f.host.fillers.add(f)
	}
	if hurry {
		f.host.fillers.hurry(f)
	}
	for i, u := range b.units {
		at := sessionlog.Head{Seq: u.evs[len(u.evs)-1].Seq}
		at.Sealed = head.Sealed && i == len(b.units)-1
		f.resolve(u, at, nil)
	}
}

// resolve tells who submitted u, and makes room for others.
func (f *File) resolve(u unit, at sessionlog.Head, err error) {
	u.commit.Resolve(at, err)
	f.weight.Release(u.weight)
}
