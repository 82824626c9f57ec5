package sqlitefile

import (
	"fmt"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// How much of a record the journal has and its file has not, at most; and from
// where on the file is filled without delay.
const (
	maxPending   = 1 << 20
	hurryPending = 256 << 10
)

// room reports whether b may wait for its way into the file.
func (f *File) room(b *batch) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pendingBytes+b.size() <= maxPending
}

// commit makes b and all before it durable in the file, and shows it. It runs
// beside the writer, which collects its outcome.
func (f *File) commit(b *batch) {
	f.host.commits <- struct{}{}
	f.turn <- struct{}{}
	err := f.insertHeld(b)
	if err == nil {
		f.filed()
		if b.sealed {
			if err := f.seal(); err != nil { // what was recorded stays; the next Open tries again
				f.cfg.Logf("seal record %s: %v", f.path, err)
			}
		}
		f.publish(b, true)
		f.settled()
		if f.s.proof.pending() {
			f.host.fillers.add(f)
		}
	}
	<-f.turn
	<-f.host.commits
	if err != nil {
		told := fmt.Errorf("record events in %s: %w", f.path, err)
		for _, u := range b.units {
			f.resolve(u, f.Head(), told)
		}
	}
	f.w.landed <- err
}

// fill moves what is pending into the file, and signs what is not signed if sign
// is set. At level full the journal need not keep it any longer. The caller has
// the turn.
func (f *File) fill(level string, sign bool) error {
	if f.s.c == nil {
		return nil
	}
	bs := f.snapshot()
	switch {
	case len(bs) > 0 || sign && f.s.proof.pending():
		if err := f.s.insert(level, sign, bs...); err != nil {
			return err
		}
		f.filed()
	case level == full:
		if err := f.s.sync(); err != nil {
			return err
		}
	}
	if level == full {
		f.settled()
	}
	return nil
}

// settled says that the file has, durably, all that it has. The caller has the
// turn.
func (f *File) settled() {
	if err := f.host.journal.Settled(f.name, f.s.seq); err != nil {
		f.cfg.Logf("%v", err)
	}
}

// snapshot returns what is pending. The caller has the turn, so nobody else takes
// any of it away.
func (f *File) snapshot() []*batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pending[:len(f.pending):len(f.pending)]
}

// filed forgets what is in the file. The caller has the turn.
func (f *File) filed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for n < len(f.pending) && f.pending[n].last <= f.s.seq {
		f.pendingBytes -= f.pending[n].size()
		n++
	}
	clear(f.pending[:n])
	f.pending = f.pending[n:]
	f.inFile = f.s.seq
	f.tail.trim(f.inFile)
}

// tend is what a filler does for a file from time to time. again says that there
// is more to do a little later; so it is where somebody else uses the file now, for
// a filler waits for no single record.
func (f *File) tend(sign bool) (again bool) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	default:
		return true
	}
	level := lazy
	settle := f.behind.Swap(false)
	if settle {
		level = full
	}
	err := f.fill(level, sign)
	switch {
	case err == nil && f.unfilled:
		f.cfg.Logf("record %s is filled again", f.path)
	case err != nil && !f.unfilled: // said once
		f.cfg.Logf("fill record %s: %v", f.path, err)
	}
	f.unfilled = err != nil
	if err != nil && settle {
		f.behind.Store(true)
	}
	return f.s.c != nil && (err != nil || !sign && f.s.proof.pending())
}

// flush moves what is pending into the file now.
func (f *File) flush() error {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	return f.fill(lazy, false)
}

// insertHeld inserts what is pending and b. While the disk is full it holds them,
// and all that is queued behind them, until there is space again or the file is
// closed: so the full disk becomes back-pressure, down to the process at the
// endpoint. The caller has the turn and a commit's slot.
func (f *File) insertHeld(b *batch) error {
	err := f.s.insert(full, false, append(f.snapshot(), b)...)
	if !isFull(err) {
		return err
	}
	f.cfg.Logf("record %s is held: %v", f.path, err)
	tick := time.NewTicker(holdEvery)
	defer tick.Stop()
	for isFull(err) {
		<-f.turn // others need not wait
		<-f.host.commits
		var quit bool
		select {
		case <-tick.C:
		case <-f.quit:
			quit = true
		}
		f.host.commits <- struct{}{}
		f.turn <- struct{}{}
		if quit {
			return err
		}
		err = f.s.insert(full, false, append(f.snapshot(), b)...)
	}
	if err == nil {
		f.cfg.Logf("record %s goes on", f.path)
	}
	return err
}

// leave makes all durable in the file before it is closed. What there is no space
// for stays in the journal, and in memory for the next Open.
func (f *File) leave() {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	if err := f.fill(full, true); err != nil {
		f.cfg.Logf("fill record %s: %v; what is missing stays in the journal", f.path, err)
	}
	f.host.leave(f, f.snapshot())
}

// loadEnd returns how long a stream is in the file. It is called for streams of
// which nothing is pending.
func (f *File) loadEnd(key streamKey) (int64, error) {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	if f.s.c == nil {
		return 0, sessionlog.ErrSealed
	}
	return f.s.streamEnd(key)
}
